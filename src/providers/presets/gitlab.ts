import { z } from 'zod'
import type { Preset } from './preset.ts'
import { client, host } from './questions.ts'

export const gitlab: Preset = {
  name: 'GitLab',
  kind: 'oidc',
  asks: [
    {
      name: 'host',
      label: 'GitLab’s host',
      help: 'gitlab.com, or the host of your own GitLab.',
      example: 'gitlab.com',
      read: host('Give the host of your GitLab, such as gitlab.com.'),
    },
    {
      name: 'group',
      label: 'Group',
      help: 'Only its members are let in: the group’s path as it stands in its address. On a GitLab of your own you can leave it out.',
      example: 'acme',
      optional: true,
      read: z
        .string()
        .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'Give the group’s path, such as acme or acme/staff.'),
    },
    ...client,
  ],
  complaints: ({ host, group }) =>
    host === 'gitlab.com' && !group
      ? ['group: Name a group: everybody has an account at gitlab.com.']
      : [],
  settings: ({ host, group, clientId, clientSecret }) => ({
    issuer: `https://${host}`,
    clientId,
    clientAuth: 'client_secret_basic',
    clientSecret,
    // The ID token lists only some groups; UserInfo has them all.
    userinfo: true,
    ...(group && { requiredGroups: [group] }),
  }),
  guide: [
    {
      text: 'In GitLab, open your group’s Settings, then Applications (in a GitLab of your own: Admin, Applications), and press Add new application.',
    },
    {
      text: 'Give it a name and add the redirect URI. Leave Confidential ticked. Tick the scopes openid, profile and email, and nothing else.',
      copy: [{ field: 'Redirect URI', place: 'redirectUri' }],
    },
    { text: 'Press Save application, and copy Application ID and Secret: it is shown only now.' },
  ],
  notes: [
    'A person is known by the number of their GitLab account (the claim “sub”).',
    'A group is named by its path. When you rename it, change it here first: its old path can be taken by somebody else.',
    'On a GitLab of your own where people can sign up by themselves, name a group too.',
  ],
  leaving:
    'Somebody who is blocked or deleted in GitLab, or no longer in the group, is refused at their next sign-in.',
  documentation: 'https://docs.gitlab.com/integration/openid_connect_provider',
}
