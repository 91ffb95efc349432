import { protocolGrammar } from './grammar.ts'
import type { Grammar } from './xml.ts'

/** Messages about signing out (SAML Core §3.7). Encrypted names are not taken: nobody is found by them. */
export const logoutGrammar: Grammar = {
  ...protocolGrammar,
  'samlp:LogoutRequest': {
    attributes: [
      'ID',
      'Version',
      'IssueInstant',
      'Destination',
      'Consent',
      'NotOnOrAfter',
      'Reason',
    ],
    children:
      /^saml:Issuer (ds:Signature )?(samlp:Extensions )?saml:NameID (samlp:SessionIndex )*$/,
  },
  'samlp:SessionIndex': { text: true },
  'samlp:Extensions': { skip: true },
  'samlp:LogoutResponse': {
    attributes: ['ID', 'Version', 'IssueInstant', 'Destination', 'Consent', 'InResponseTo'],
    children: /^saml:Issuer (ds:Signature )?(samlp:Extensions )?samlp:Status $/,
  },
  // Whether the provider managed to sign the person out elsewhere is its own affair.
  'samlp:Status': { skip: true },
}
