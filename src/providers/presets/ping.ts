import { z } from 'zod'
import type { Preset } from './preset.ts'
import { client } from './questions.ts'

export const ping: Preset = {
  name: 'PingOne',
  kind: 'oidc',
  asks: [
    {
      name: 'issuer',
      label: 'Issuer ID',
      help: 'On the application’s tab Configuration, under URLs.',
      example: 'https://auth.pingone.eu/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6/as',
      read: z
        .string()
        .transform((text) => text.replace(/\/$/, ''))
        .refine(
          (text) => /^https:\/\/[^\s/?#]+(?:\/[0-9a-f-]{36})?\/as$/.test(text),
          'Give the issuer ID, such as https://auth.pingone.eu/…/as.',
        ),
    },
    ...client,
  ],
  settings: ({ issuer, clientId, clientSecret }) => ({
    issuer,
    clientId,
    clientAuth: 'client_secret_basic',
    clientSecret,
    userinfo: true,
  }),
  guide: [
    {
      text: 'In the PingOne admin console, choose the environment, open Applications, then Applications, and press +. Give it a name, choose “OIDC Web App”, and press Save.',
    },
    {
      text: 'On the tab Configuration, press the pencil. Response Type is Code, Grant Type is Authorization Code and Refresh Token, Token Endpoint Authentication Method is Client Secret Basic. Add the redirect URI, and press Save.',
      copy: [{ field: 'Redirect URIs', place: 'redirectUri' }],
    },
    { text: 'On the tab Resources, add the scopes email and profile to openid.' },
    {
      text: 'On the tab Access, choose which groups may sign in, if not everybody. Switch the application on at the top.',
    },
    {
      text: 'Copy the Issuer ID (under URLs), the Client ID and the Client Secret from the tab Configuration.',
    },
  ],
  notes: [
    'For PingFederate, and for PingOne Advanced Identity Cloud, choose “OpenID Connect” instead, and give the issuer from its discovery document.',
  ],
  leaving:
    'Somebody who is disabled or deleted in the environment, or no longer in a group that has access, is refused by PingOne at their next sign-in.',
  documentation: 'https://developer.pingidentity.com/pingone-api/auth/openid-connect-oauth-2.html',
}
