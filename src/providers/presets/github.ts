import { z } from 'zod'
import type { Preset } from './preset.ts'
import { client } from './questions.ts'

export const github: Preset = {
  name: 'GitHub',
  kind: 'oauth2',
  asks: [
    {
      name: 'organization',
      label: 'Organization',
      help: 'Its name as it stands in addresses: github.com/acme.',
      example: 'acme',
      read: z
        .string()
        .transform((text) => text.replace(/^https:\/\/github\.com\//, ''))
        .refine(
          (name) => /^[A-Za-z0-9-]{1,39}$/.test(name),
          'Give the name as it stands in addresses, such as acme.',
        ),
    },
    {
      name: 'organizationId',
      label: 'Organization’s number',
      help: 'Open https://api.github.com/orgs/acme in a browser, with your organization’s name at the end: the number after “id”. A name can be given up and taken by somebody else; the number cannot.',
      example: '9919',
      read: z.string().regex(/^[1-9]\d{0,14}$/, 'Give the number alone.'),
    },
    ...client,
  ],
  settings: ({ organization, organizationId, clientId, clientSecret }) => ({
    issuer: 'https://github.com/login/oauth',
    authorizationEndpoint: 'https://github.com/login/oauth/authorize',
    tokenEndpoint: 'https://github.com/login/oauth/access_token',
    userEndpoint: 'https://api.github.com/user',
    emailsEndpoint: 'https://api.github.com/user/emails',
    clientId,
    clientAuth: 'client_secret_post',
    clientSecret,
    scopes: ['read:org', 'user:email'],
    subject: { path: 'id', type: 'integer' },
    claims: { name: ['name', 'login'] },
    membership: {
      url: `https://api.github.com/user/memberships/orgs/${organization}`,
      requires: { state: 'active', 'organization.id': Number(organizationId) },
    },
  }),
  guide: [
    {
      text: 'On GitHub, open your organization’s Settings, then Developer settings, OAuth Apps, and press New OAuth app. Only an owner of the organization can.',
    },
    {
      text: 'Give it a name and the address of your application as Homepage URL. Add the callback URL; leave Device Flow switched off.',
      copy: [{ field: 'Authorization callback URL', place: 'redirectUri' }],
    },
    { text: 'Press Register application, and copy the Client ID.' },
    { text: 'Press Generate a new client secret, and copy it at once: GitHub shows it only now.' },
    {
      text: 'If your organization restricts OAuth apps (Settings, Third-party Access, OAuth app policy), an app that it owns itself is allowed. One that somebody else owns has to be approved there.',
    },
  ],
  notes: [
    'Only active members of the organization are let in; somebody who has not accepted their invitation is not. Outside collaborators are not members.',
    'A person is known by their GitHub number. They can rename themselves at any time, and stay who they are here.',
    'Only an address that GitHub lists as verified and primary counts as verified.',
    'GitHub does not say when somebody signed in there. To confirm that it is them, people need another way, such as a passkey.',
    'When the organization is renamed, change its name here too: until then GitHub answers that there is no such membership.',
  ],
  leaving:
    'Somebody who is removed from the organization is refused at their next sign-in, because GitHub no longer lists them as a member.',
  documentation:
    'https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/creating-an-oauth-app',
}
