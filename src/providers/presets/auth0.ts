import type { Preset } from './preset.ts'
import { client, host, offline } from './questions.ts'

export const auth0: Preset = {
  name: 'Auth0',
  kind: 'oidc',
  asks: [
    {
      name: 'domain',
      label: 'Auth0 domain',
      help: 'On the application’s tab Settings; a custom domain, if people sign in there.',
      example: 'acme.eu.auth0.com',
      read: host('Give your Auth0 domain, such as acme.eu.auth0.com.'),
    },
    ...client,
  ],
  settings: ({ domain, clientId, clientSecret }) => ({
    // With the slash: it is part of the issuer's name, and compared.
    issuer: `https://${domain}/`,
    clientId,
    clientAuth: 'client_secret_post',
    clientSecret,
    scopes: offline,
  }),
  guide: [
    {
      text: 'In the Auth0 Dashboard, open Applications, then Applications, press Create Application, and choose “Regular Web Applications”.',
    },
    {
      text: 'On the tab Settings, add the callback URL.',
      copy: [{ field: 'Allowed Callback URLs', place: 'redirectUri' }],
    },
    {
      text: 'Further down, under Advanced Settings, OAuth, JsonWebToken Signature Algorithm has to be RS256; and under Grant Types, Authorization Code and Refresh Token have to be ticked. Press Save.',
    },
    {
      text: 'On the tab Credentials, Authentication Method has to be “Client Secret (Post)”. Copy domain, client ID and client secret from the tab Settings.',
    },
    { text: 'On the tab Connections, switch off everything that is not for your own people.' },
  ],
  notes: [
    'Auth0 lets anybody sign up whom one of the application’s connections lets sign up. Keep “Disable Sign Ups” switched on and social connections off, unless that is meant.',
    'A person is known by the claim “sub”, which begins with the name of Auth0’s own connection: moved to another connection there, they link their account anew here.',
  ],
  leaving: 'Somebody who is blocked or deleted in Auth0 is refused by Auth0 at their next sign-in.',
  documentation:
    'https://auth0.com/docs/get-started/auth0-overview/create-applications/regular-web-apps',
}
