import type { Preset } from './preset.ts'
import { client, host, metadata, metadataOf, oneOfMetadata } from './questions.ts'

const leaving =
  'Somebody whose OneLogin account is suspended or deleted, or who no longer has access to the application, is refused by OneLogin at their next sign-in.'

export const onelogin: Preset = {
  name: 'OneLogin',
  kind: 'oidc',
  asks: [
    {
      name: 'domain',
      label: 'OneLogin domain',
      help: 'Where people sign in to OneLogin.',
      example: 'acme.onelogin.com',
      read: host('Give your OneLogin domain, such as acme.onelogin.com.'),
    },
    ...client,
  ],
  settings: ({ domain, clientId, clientSecret }) => ({
    issuer: `https://${domain}/oidc/2`,
    clientId,
    clientAuth: 'client_secret_post',
    clientSecret,
    userinfo: true,
  }),
  guide: [
    {
      text: 'In the OneLogin admin portal, open Applications, then Applications, press Add App, search for “OpenId Connect (OIDC)”, and choose it.',
    },
    { text: 'Give it a name, and press Save.' },
    {
      text: 'On the tab Configuration, add the redirect URI, and press Save.',
      copy: [{ field: 'Redirect URI’s', place: 'redirectUri' }],
    },
    {
      text: 'On the tab SSO, set Application Type to Web and Token Endpoint, Authentication Method to POST, and press Save. Copy client ID and client secret.',
    },
    { text: 'On the tab Access, or under Users, choose who may sign in.' },
  ],
  notes: ['A person is known by the number of their OneLogin account (the claim “sub”).'],
  leaving,
  documentation: 'https://developers.onelogin.com/openid-connect/connect-to-onelogin',
}

export const oneloginSaml: Preset = {
  name: 'OneLogin (SAML)',
  kind: 'saml',
  asks: metadata(
    'https://app.onelogin.com/saml/metadata/8a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9',
    'On the tab SSO: Issuer URL.',
  ),
  complaints: oneOfMetadata,
  settings: (answers) => ({
    ...metadataOf(answers),
    subject: { from: 'nameid' },
    claims: { email: 'email', firstName: 'firstName', lastName: 'lastName', groups: 'groups' },
  }),
  guide: [
    {
      text: 'In the OneLogin admin portal, open Applications, then Applications, press Add App, search for “SAML Custom Connector (Advanced)”, and choose it. Give it a name, and press Save.',
    },
    {
      text: 'On the tab Configuration, fill in the addresses. ACS (Consumer) URL Validator takes the same address as ACS (Consumer) URL, with ^ before it, $ after it, and \\ before each . and /.',
      copy: [
        { field: 'Audience (EntityID)', place: 'entityId' },
        { field: 'Recipient', place: 'acsUrl' },
        { field: 'ACS (Consumer) URL', place: 'acsUrl' },
        { field: 'Single Logout URL', place: 'sloUrl' },
      ],
    },
    {
      text: 'There too, set SAML initiator to Service Provider, SAML nameID format to Persistent, and SAML signature element to Assertion or Both.',
    },
    {
      text: 'On the tab Parameters, set the NameID value to “OneLogin ID”. Add email, firstName and lastName, each with “Include in SAML assertion” ticked.',
    },
    {
      text: 'On the tab SSO, set SAML Signature Algorithm to SHA-256, press Save, and copy the Issuer URL. On the tab Access, or under Users, choose who may sign in.',
    },
  ],
  notes: [
    'A person is known by the NameID. Set it to “OneLogin ID”: with an address, whoever is given that address later would be the same person here.',
  ],
  leaving,
  documentation: 'https://developers.onelogin.com/saml',
}
