import { signatureGrammar } from './grammar.ts'
import type { ElementRule, Grammar } from './xml.ts'

const skip: ElementRule = { skip: true }

/** Metadata (SAML Metadata §2), of which only what describes an identity provider is read. */
export const metadataGrammar: Grammar = {
  ...signatureGrammar,
  'md:EntitiesDescriptor': {
    attributes: ['ID', 'Name', 'validUntil', 'cacheDuration'],
    foreign: true,
    children: /^(ds:Signature )?(md:Extensions )?((md:EntityDescriptor|md:EntitiesDescriptor) )*$/,
  },
  'md:EntityDescriptor': {
    attributes: ['ID', 'entityID', 'validUntil', 'cacheDuration'],
    foreign: true,
    children: /^(ds:Signature )?(md:[A-Za-z]+ )*$/,
  },
  'md:IDPSSODescriptor': {
    attributes: [
      'ID',
      'validUntil',
      'cacheDuration',
      'protocolSupportEnumeration',
      'errorURL',
      'WantAuthnRequestsSigned',
    ],
    foreign: true,
    children: /^(ds:Signature )?((md|saml):[A-Za-z]+ )*$/,
  },
  'md:KeyDescriptor': { attributes: ['use'], children: /^ds:KeyInfo (md:EncryptionMethod )*$/ },
  'md:NameIDFormat': { text: true },
  'md:SingleSignOnService': endpoint(),
  'md:SingleLogoutService': endpoint(),
  'md:EncryptionMethod': skip,
  'md:ArtifactResolutionService': skip,
  'md:ManageNameIDService': skip,
  'md:NameIDMappingService': skip,
  'md:AssertionIDRequestService': skip,
  'md:AttributeProfile': skip,
  'saml:Attribute': skip,
  'md:Extensions': skip,
  'md:Organization': skip,
  'md:ContactPerson': skip,
  'md:AdditionalMetadataLocation': skip,
  'md:RoleDescriptor': skip,
  'md:SPSSODescriptor': skip,
  'md:AuthnAuthorityDescriptor': skip,
  'md:AttributeAuthorityDescriptor': skip,
  'md:PDPDescriptor': skip,
  'md:AffiliationDescriptor': skip,
}

function endpoint(): ElementRule {
  return { attributes: ['Binding', 'Location', 'ResponseLocation'], foreign: true }
}
