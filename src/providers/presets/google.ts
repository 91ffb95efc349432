import type { Preset } from './preset.ts'
import { client, domainList, splitList } from './questions.ts'

export const google: Preset = {
  name: 'Google Workspace',
  kind: 'oidc',
  asks: [
    {
      name: 'domains',
      label: 'Workspace domains',
      help: 'The primary domains of your Google Workspace, separated by commas. In the Admin console: Account, Domains, Manage domains.',
      example: 'acme.com',
      read: domainList,
    },
    ...client,
  ],
  settings: ({ domains = '', clientId, clientSecret }) => {
    const hd = splitList(domains)
    return {
      issuer: 'https://accounts.google.com',
      clientId,
      clientAuth: 'client_secret_basic',
      clientSecret,
      // The parameter only narrows Google's list of accounts; the claim is what is checked.
      authorizationParameters: { hd: hd.length === 1 ? hd[0] : '*' },
      requiredClaims: { hd },
    }
  },
  guide: [
    {
      text: 'In the Google Cloud console, choose or make a project of your organization, and open Google Auth Platform.',
    },
    {
      text: 'Under Audience, choose Internal, so that only people of your Workspace are let through.',
    },
    {
      text: 'Under Clients, press Create client, and choose Web application. Add the redirect URI; leave JavaScript origins empty.',
      copy: [{ field: 'Authorized redirect URIs', place: 'redirectUri' }],
    },
    { text: 'Copy client ID and client secret from the window that opens.' },
  ],
  notes: [
    'Google names the Workspace in the claim “hd”. A private Google account has none, even where its address is one of your company’s, and is refused.',
    '“hd” is the primary domain of the Workspace, also for people whose address is in a secondary domain or an alias.',
  ],
  leaving:
    'Somebody whose Google account is suspended or deleted is refused by Google at their next sign-in.',
  documentation: 'https://developers.google.com/identity/openid-connect/openid-connect',
}
