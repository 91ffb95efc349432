import type { Preset } from './preset.ts'
import { client, host, metadata, metadataOf, offline, oneOfMetadata } from './questions.ts'

export const okta: Preset = {
  name: 'Okta',
  kind: 'oidc',
  asks: [
    {
      name: 'domain',
      label: 'Okta domain',
      help: 'In the Okta Admin Console, open the menu at your name: the address below it, without “-admin”.',
      example: 'acme.okta.com',
      read: host(
        'Give your Okta domain, such as acme.okta.com, without “-admin”.',
        (name) => !name.includes('-admin.okta'),
      ),
    },
    ...client,
  ],
  settings: ({ domain, clientId, clientSecret }) => ({
    issuer: `https://${domain}`,
    clientId,
    clientAuth: 'client_secret_basic',
    clientSecret,
    scopes: offline,
    // Okta leaves name and address out of an ID token that comes with an access token.
    userinfo: true,
  }),
  guide: [
    {
      text: 'In the Okta Admin Console, open Applications, then Applications, and press Create App Integration.',
    },
    { text: 'Choose “OIDC - OpenID Connect” and “Web Application”, and press Next.' },
    {
      text: 'Give it a name. Under Grant type, tick Refresh Token beside Authorization Code: by it Okta is asked again between two sign-ins. Replace the sign-in redirect URI, and remove the sign-out redirect URI.',
      copy: [{ field: 'Sign-in redirect URIs', place: 'redirectUri' }],
    },
    { text: 'Under Assignments, choose who may sign in, and press Save.' },
    {
      text: 'Copy client ID and client secret from the tab General. Client authentication stays “Client secret”.',
    },
  ],
  notes: [
    'The issuer is the Okta domain itself (the org authorization server), not a custom authorization server such as “/oauth2/default”.',
  ],
  leaving:
    'Somebody whose Okta account is deactivated, or who is no longer assigned to the application, is refused by Okta at their next sign-in.',
  documentation:
    'https://help.okta.com/en-us/content/topics/apps/apps_app_integration_wizard_oidc.htm',
}

export const oktaSaml: Preset = {
  name: 'Okta (SAML)',
  kind: 'saml',
  asks: metadata(
    'https://acme.okta.com/app/exk1a2b3c4d5e6f7g8h9/sso/saml/metadata',
    'On the application’s tab Sign On: Metadata URL.',
  ),
  complaints: oneOfMetadata,
  settings: (answers) => ({
    ...metadataOf(answers),
    subject: { from: 'attribute', name: 'userId' },
    claims: { email: 'email', firstName: 'firstName', lastName: 'lastName', groups: 'groups' },
  }),
  guide: [
    {
      text: 'In the Okta Admin Console, open Applications, then Applications, and press Create App Integration. Choose “SAML 2.0”.',
    },
    {
      text: 'Give it a name, press Next, and fill in the addresses.',
      copy: [
        { field: 'Single sign-on URL', place: 'acsUrl' },
        { field: 'Audience URI (SP Entity ID)', place: 'entityId' },
      ],
    },
    {
      text: 'Under Attribute Statements, add four: userId with the value user.getInternalProperty("id"), email with user.email, firstName with user.firstName, and lastName with user.lastName.',
    },
    {
      text: 'Under Group Attribute Statements you can add groups, with a filter for the groups that matter here.',
    },
    {
      text: 'Finish, open the tab Sign On, and copy the Metadata URL. Under Assignments, choose who may sign in.',
    },
  ],
  notes: [
    'A person is known by the attribute “userId”, the number of their Okta account. Without it nobody can sign in: an Okta user name is an address, and can pass to somebody else.',
  ],
  leaving:
    'Somebody whose Okta account is deactivated, or who is no longer assigned to the application, is refused by Okta at their next sign-in.',
  documentation:
    'https://help.okta.com/en-us/content/topics/apps/apps_app_integration_wizard_saml.htm',
}
