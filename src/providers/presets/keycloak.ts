import { z } from 'zod'
import type { Preset } from './preset.ts'
import { client, offline } from './questions.ts'

export const keycloak: Preset = {
  name: 'Keycloak',
  kind: 'oidc',
  asks: [
    {
      name: 'realm',
      label: 'Realm’s address',
      help: 'The address of your Keycloak, then /realms/ and the realm’s name (before Keycloak 17: /auth/realms/).',
      example: 'https://id.acme.com/realms/acme',
      read: z
        .string()
        .transform((text) => text.replace(/\/$/, ''))
        .refine(
          (text) => /^https?:\/\/[^\s?#]+\/realms\/[^\s/?#]+$/.test(text),
          'Give the realm’s address, such as https://id.acme.com/realms/acme.',
        ),
    },
    ...client,
  ],
  settings: ({ realm, clientId, clientSecret }) => ({
    issuer: realm,
    clientId,
    clientAuth: 'client_secret_basic',
    clientSecret,
    // Without it the refresh token ends with Keycloak's own session, which says nothing of the person.
    scopes: offline,
  }),
  guide: [
    {
      text: 'In the Keycloak admin console, choose the realm, open Clients, and press Create client. Client type is OpenID Connect; the Client ID is for you to choose.',
    },
    {
      text: 'Switch Client authentication on. Under Authentication flow, leave only Standard flow ticked.',
    },
    {
      text: 'Add the redirect URI, leave Web origins empty, and press Save.',
      copy: [{ field: 'Valid redirect URIs', place: 'redirectUri' }],
    },
    {
      text: 'On the tab Advanced, set Proof Key for Code Exchange Code Challenge Method to S256.',
    },
    { text: 'On the tab Credentials, copy the Client Secret.' },
  ],
  notes: [
    'The realm is not “master”: that one is for Keycloak’s own administrators.',
    'People need the role offline_access, which Keycloak gives to everybody unless that was changed.',
    'For groups, add a mapper “Group Membership” with the token claim name “groups” to the client’s dedicated scope.',
    'A Keycloak that only your own network reaches has to be allowed by whoever runs Sallyport.',
  ],
  leaving:
    'Somebody who is disabled or deleted in the realm is refused by Keycloak at their next sign-in.',
  documentation: 'https://www.keycloak.org/docs/latest/server_admin/#_oidc_clients',
}
