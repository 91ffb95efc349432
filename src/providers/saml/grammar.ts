import type { Grammar } from './xml.ts'

/** A signature as SAML has them (SAML Core §5.4): one reference, and nothing carried along. */
export const signatureGrammar: Grammar = {
  'ds:Signature': {
    attributes: ['Id'],
    children: /^ds:SignedInfo ds:SignatureValue (ds:KeyInfo )?$/,
  },
  'ds:SignedInfo': {
    attributes: ['Id'],
    children: /^ds:CanonicalizationMethod ds:SignatureMethod ds:Reference $/,
  },
  'ds:CanonicalizationMethod': { attributes: ['Algorithm'] },
  'ds:SignatureMethod': { attributes: ['Algorithm'] },
  'ds:Reference': {
    attributes: ['URI'],
    children: /^ds:Transforms ds:DigestMethod ds:DigestValue $/,
  },
  'ds:Transforms': { children: /^ds:Transform ds:Transform $/ },
  'ds:Transform': { attributes: ['Algorithm'], children: /^(ec:InclusiveNamespaces )?$/ },
  'ec:InclusiveNamespaces': { attributes: ['PrefixList'] },
  'ds:DigestMethod': { attributes: ['Algorithm'] },
  'ds:DigestValue': { text: true },
  'ds:SignatureValue': { text: true },
  // What a message says of its key is let pass and never read: only configured certificates count.
  'ds:KeyInfo': {
    attributes: ['Id'],
    children: /^((ds:KeyName|ds:KeyValue|ds:X509Data|ds:RetrievalMethod|xenc:EncryptedKey) ){0,4}$/,
  },
  'ds:KeyName': { text: true },
  'ds:RetrievalMethod': { attributes: ['URI', 'Type'] },
  'ds:KeyValue': { children: /^(ds:RSAKeyValue |dsig11:ECKeyValue )$/ },
  'ds:RSAKeyValue': { children: /^ds:Modulus ds:Exponent $/ },
  'ds:Modulus': { text: true },
  'ds:Exponent': { text: true },
  'dsig11:ECKeyValue': { children: /^dsig11:NamedCurve dsig11:PublicKey $/ },
  'dsig11:NamedCurve': { attributes: ['URI'] },
  'dsig11:PublicKey': { text: true },
  'ds:X509Data': {
    children:
      /^((ds:X509Certificate|ds:X509SubjectName|ds:X509IssuerSerial|ds:X509SKI|dsig11:X509Digest) )*$/,
  },
  'ds:X509Certificate': { text: true },
  'ds:X509SubjectName': { text: true },
  'ds:X509IssuerSerial': { children: /^ds:X509IssuerName ds:X509SerialNumber $/ },
  'ds:X509IssuerName': { text: true },
  'ds:X509SerialNumber': { text: true },
  'ds:X509SKI': { text: true },
  'dsig11:X509Digest': { attributes: ['Algorithm'], text: true },
}

const encryptionGrammar: Grammar = {
  'saml:EncryptedAssertion': { children: /^xenc:EncryptedData (xenc:EncryptedKey ){0,2}$/ },
  'xenc:EncryptedData': {
    attributes: ['Id', 'Type', 'MimeType', 'Encoding'],
    children: /^xenc:EncryptionMethod (ds:KeyInfo )?xenc:CipherData $/,
  },
  'xenc:EncryptedKey': {
    attributes: ['Id', 'Recipient', 'Type'],
    children:
      /^xenc:EncryptionMethod (ds:KeyInfo )?xenc:CipherData (xenc:ReferenceList )?(xenc:CarriedKeyName )?$/,
  },
  'xenc:EncryptionMethod': {
    attributes: ['Algorithm'],
    children: /^(ds:DigestMethod )?(xenc11:MGF )?$/,
  },
  'xenc11:MGF': { attributes: ['Algorithm'] },
  'xenc:CipherData': { children: /^xenc:CipherValue $/ },
  'xenc:CipherValue': { text: true },
  'xenc:ReferenceList': { children: /^(xenc:DataReference )*$/ },
  'xenc:DataReference': { attributes: ['URI'] },
  'xenc:CarriedKeyName': { text: true },
}

/** Elements that every message of the protocol may hold (SAML Core §3.2). */
export const protocolGrammar: Grammar = {
  ...signatureGrammar,
  'saml:Issuer': {
    attributes: ['Format', 'NameQualifier', 'SPNameQualifier', 'SPProvidedID'],
    text: true,
  },
  'saml:NameID': {
    attributes: ['Format', 'NameQualifier', 'SPNameQualifier', 'SPProvidedID'],
    text: true,
  },
  'samlp:Status': { children: /^samlp:StatusCode (samlp:StatusMessage )?$/ },
  'samlp:StatusCode': { attributes: ['Value'], children: /^(samlp:StatusCode )?$/ },
  'samlp:StatusMessage': { text: true },
}

/**
 * A response to a sign-in (SAML Core §2.3, §3.2.2). Assertions stand directly in the response and nowhere else, so
 * there is nowhere to hide a second one: no `Extensions`, no `Advice`, no `ds:Object`.
 */
export const responseGrammar: Grammar = {
  ...protocolGrammar,
  ...encryptionGrammar,
  'samlp:Response': {
    attributes: ['ID', 'Version', 'IssueInstant', 'Destination', 'Consent', 'InResponseTo'],
    children:
      /^(saml:Issuer )?(ds:Signature )?samlp:Status ((saml:Assertion|saml:EncryptedAssertion) )*$/,
  },
  'saml:Assertion': {
    attributes: ['ID', 'Version', 'IssueInstant'],
    children:
      /^saml:Issuer (ds:Signature )?(saml:Subject )?(saml:Conditions )?((saml:AuthnStatement|saml:AttributeStatement) )*$/,
  },
  'saml:Subject': { children: /^(saml:NameID )?(saml:SubjectConfirmation )*$/ },
  'saml:SubjectConfirmation': {
    attributes: ['Method'],
    children: /^(saml:NameID )?(saml:SubjectConfirmationData )?$/,
  },
  'saml:SubjectConfirmationData': {
    attributes: ['NotBefore', 'NotOnOrAfter', 'Recipient', 'InResponseTo', 'Address', 'xsi:type'],
  },
  'saml:Conditions': {
    attributes: ['NotBefore', 'NotOnOrAfter'],
    children: /^((saml:AudienceRestriction|saml:OneTimeUse|saml:ProxyRestriction) )*$/,
  },
  'saml:AudienceRestriction': { children: /^(saml:Audience )+$/ },
  'saml:Audience': { text: true },
  'saml:OneTimeUse': {},
  'saml:ProxyRestriction': { attributes: ['Count'], children: /^(saml:Audience )*$/ },
  'saml:AuthnStatement': {
    attributes: ['AuthnInstant', 'SessionIndex', 'SessionNotOnOrAfter'],
    children: /^(saml:SubjectLocality )?saml:AuthnContext $/,
  },
  'saml:SubjectLocality': { attributes: ['Address', 'DNSName'] },
  'saml:AuthnContext': {
    children:
      /^(saml:AuthnContextClassRef )?(saml:AuthnContextDeclRef )?(saml:AuthenticatingAuthority )*$/,
  },
  'saml:AuthnContextClassRef': { text: true },
  'saml:AuthnContextDeclRef': { text: true },
  'saml:AuthenticatingAuthority': { text: true },
  'saml:AttributeStatement': { children: /^(saml:Attribute )*$/ },
  'saml:Attribute': {
    attributes: ['Name', 'NameFormat', 'FriendlyName'],
    foreign: true,
    children: /^(saml:AttributeValue )*$/,
  },
  'saml:AttributeValue': { attributes: ['xsi:type', 'xsi:nil'], text: true },
}
