import type { Preset } from './preset.ts'
import { client, host } from './questions.ts'

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
    // Okta leaves name and address out of an ID token that comes with an access token.
    userinfo: true,
  }),
  guide: [
    {
      text: 'In the Okta Admin Console, open Applications, then Applications, and press Create App Integration.',
    },
    { text: 'Choose “OIDC - OpenID Connect” and “Web Application”, and press Next.' },
    {
      text: 'Give it a name. Leave “Authorization Code” as the only grant type. Replace the sign-in redirect URI, and remove the sign-out redirect URI.',
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
