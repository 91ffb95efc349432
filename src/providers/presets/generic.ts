import { z } from 'zod'
import type { Answers, Preset, Question } from './preset.ts'
import { client, metadata, metadataOf, splitList, webAddress } from './questions.ts'

const leaving =
  'Somebody whom the provider no longer lets through is refused at their next sign-in.'

export const oidc: Preset = {
  name: 'OpenID Connect',
  kind: 'oidc',
  asks: [
    {
      name: 'issuer',
      label: 'Issuer',
      help: 'The value of “issuer” in the provider’s discovery document, exactly as it stands there: a slash at the end counts.',
      example: 'https://id.acme.com',
      read: webAddress,
    },
    ...client,
    {
      name: 'clientAuth',
      label: 'Client authentication',
      help: 'How the client shows its secret: client_secret_basic unless the provider asks for client_secret_post.',
      example: 'client_secret_basic',
      optional: true,
      read: z.enum(
        ['client_secret_basic', 'client_secret_post'],
        'Give client_secret_basic or client_secret_post.',
      ),
    },
    {
      name: 'scopes',
      label: 'Scopes',
      help: 'What the provider is asked for, separated by spaces; openid, profile and email unless you say otherwise. Add offline_access where it issues refresh tokens for that: by them it is asked again between two sign-ins.',
      example: 'openid profile email offline_access',
      optional: true,
    },
  ],
  settings: ({ issuer, clientId, clientSecret, clientAuth = 'client_secret_basic', scopes }) => ({
    issuer,
    clientId,
    clientAuth,
    clientSecret,
    ...(scopes && { scopes: splitList(scopes) }),
  }),
  guide: [
    { text: 'At the provider, make an application of the kind “web”: a confidential client.' },
    {
      text: 'Add the redirect URI. Allow the authorization code flow and nothing else, with PKCE (S256) if there is a choice, and the scopes openid, profile and email.',
      copy: [{ field: 'Redirect URI', place: 'redirectUri' }],
    },
    { text: 'Copy client ID and client secret.' },
    {
      text: 'Open the issuer with /.well-known/openid-configuration after it in a browser, and copy the value of “issuer”.',
    },
  ],
  notes: [
    'ID tokens have to be signed with RS256, and their signature is always checked.',
    'A person is known by the claim “sub”, whatever else the provider says of them.',
  ],
  leaving,
  documentation: 'https://openid.net/specs/openid-connect-core-1_0.html',
}

function endpoint(name: string, label: string, help: string, example: string): Question {
  return { name, label, help, example, read: webAddress }
}

export const oauth2: Preset = {
  name: 'OAuth 2.0',
  kind: 'oauth2',
  asks: [
    {
      name: 'issuer',
      label: 'Provider’s name',
      help: 'An address by which the provider is known here for ever; the value of “iss” in its answers, if it sends one.',
      example: 'https://id.acme.com',
      read: webAddress,
    },
    endpoint(
      'authorizationEndpoint',
      'Authorization endpoint',
      'Where people are sent to sign in.',
      'https://id.acme.com/oauth/authorize',
    ),
    endpoint(
      'tokenEndpoint',
      'Token endpoint',
      'Where the code is redeemed.',
      'https://id.acme.com/oauth/token',
    ),
    endpoint(
      'userEndpoint',
      'User endpoint',
      'Where the provider says who the person is, as a JSON object.',
      'https://id.acme.com/api/me',
    ),
    ...client,
    {
      name: 'scopes',
      label: 'Scopes',
      help: 'What the user endpoint asks for, separated by spaces.',
      example: 'profile email',
      optional: true,
    },
    {
      name: 'subject',
      label: 'Identifier',
      help: 'Where the answer of the user endpoint names a person for ever: names joined by dots. Never an address or a user name.',
      example: 'data.id',
    },
    {
      name: 'subjectType',
      label: 'Identifier’s type',
      help: 'string for "a1" in quotation marks, integer for a bare number.',
      example: 'integer',
      read: z.enum(['string', 'integer'], 'Give string or integer.'),
    },
  ],
  settings: ({ scopes = '', subject, subjectType, ...rest }) => ({
    ...rest,
    clientAuth: 'client_secret_post',
    scopes: splitList(scopes),
    subject: { path: subject, type: subjectType },
  }),
  guide: [
    { text: 'At the provider, make a confidential OAuth client for a web application.' },
    {
      text: 'Add the redirect URI. Allow the authorization code flow and nothing else.',
      copy: [{ field: 'Redirect URI', place: 'redirectUri' }],
    },
    { text: 'Copy client ID and client secret, and the three endpoints from its documentation.' },
  ],
  notes: [
    'Choose OpenID Connect if the provider speaks it: its answers are signed, and it says when somebody signed in.',
    'Everybody who has an account at the provider can come this far. Who may join is for the organization’s own rules.',
  ],
  leaving,
  documentation: 'https://www.rfc-editor.org/rfc/rfc6749',
}

const byHand: readonly Question[] = [
  {
    name: 'idpEntityId',
    label: 'Provider’s entity ID',
    help: 'Without metadata: the provider’s entity ID, or issuer.',
    example: 'https://id.acme.com/saml',
    optional: true,
  },
  {
    name: 'ssoUrl',
    label: 'Sign-in address',
    help: 'Without metadata: the single sign-on address for HTTP-Redirect.',
    example: 'https://id.acme.com/saml/sso',
    optional: true,
    read: webAddress,
  },
  {
    name: 'certificate',
    label: 'Signing certificate',
    help: 'Without metadata: the certificate whose key signs, as PEM or base64.',
    example: '-----BEGIN CERTIFICATE-----',
    optional: true,
    long: true,
  },
]

const attributes: readonly Question[] = [
  {
    name: 'subjectAttribute',
    label: 'Identifying attribute',
    help: 'The attribute that names a person for ever, where the NameID does not.',
    example: 'uid',
    optional: true,
  },
  {
    name: 'nameAttribute',
    label: 'Name',
    help: 'The attribute with the name.',
    example: 'displayName',
    optional: true,
  },
  {
    name: 'emailAttribute',
    label: 'Address',
    help: 'The attribute with the e-mail address.',
    example: 'mail',
    optional: true,
  },
  {
    name: 'groupsAttribute',
    label: 'Groups',
    help: 'The attribute with the groups.',
    example: 'memberOf',
    optional: true,
  },
]

function describedByHand({ idpEntityId, ssoUrl, certificate }: Answers): object {
  if (idpEntityId === undefined) return {}
  return { idp: { entityId: idpEntityId, ssoUrl, certificates: [certificate] } }
}

export const saml: Preset = {
  name: 'SAML 2.0',
  kind: 'saml',
  asks: [
    ...metadata('https://id.acme.com/saml/metadata', 'Where the provider publishes its metadata.'),
    ...byHand,
    ...attributes,
  ],
  complaints({ metadataUrl, metadata, idpEntityId, ssoUrl, certificate }) {
    if (metadataUrl || metadata) return []
    if (!idpEntityId && !ssoUrl && !certificate)
      return ['metadataUrl: Give the metadata’s address, the metadata itself, or the three values.']
    return Object.entries({ idpEntityId, ssoUrl, certificate })
      .filter(([, answer]) => !answer)
      .map(([name]) => `${name}: Fill this in.`)
  },
  settings: (answers) => ({
    ...metadataOf(answers),
    ...(answers.metadataUrl || answers.metadata ? {} : describedByHand(answers)),
    subject: answers.subjectAttribute
      ? { from: 'attribute', name: answers.subjectAttribute }
      : { from: 'nameid' },
    claims: {
      name: answers.nameAttribute,
      email: answers.emailAttribute,
      groups: answers.groupsAttribute,
    },
  }),
  guide: [
    {
      text: 'At the provider, make a SAML 2.0 application. If it can read our metadata, give it that address, and you are done with the next step.',
      copy: [{ field: 'Metadata', place: 'metadataUrl' }],
    },
    {
      text: 'Otherwise fill in the addresses.',
      copy: [
        { field: 'Entity ID, or audience', place: 'entityId' },
        { field: 'Assertion consumer service (ACS), HTTP-POST', place: 'acsUrl' },
        { field: 'Single logout service (SLO)', place: 'sloUrl' },
      ],
    },
    {
      text: 'Set the NameID format to persistent, and its value to what never changes about a person and never passes to anybody else. If that cannot be, send such a value as an attribute.',
    },
    { text: 'Have assertions signed, with SHA-256 or better.' },
    { text: 'Copy the address of the provider’s metadata, or save its file.' },
  ],
  notes: [
    'An e-mail address is not a good identifier: whoever is given it later would be the same person here.',
    'Metadata by its address is read again from time to time, so that new certificates are here before they are used.',
  ],
  leaving,
  documentation: 'https://docs.oasis-open.org/security/saml/v2.0/saml-core-2.0-os.pdf',
}
