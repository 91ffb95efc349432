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
      authorizationParameters: {
        // Only narrows Google's list of accounts; the claim is what is checked.
        hd: hd.length === 1 ? hd[0] : '*',
        // Google's way to a refresh token, and it gives one only where it asks for consent.
        access_type: 'offline',
        prompt: 'consent',
      },
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
    'Google asks people at every sign-in whether they agree: only then it lets itself be asked again later.',
    'Google does not say when somebody signed in there. To confirm that it is them, people need another way, such as a passkey.',
    '“hd” is the primary domain of the Workspace, also for people whose address is in a secondary domain or an alias.',
  ],
  leaving:
    'Somebody whose Google account is suspended or deleted is refused by Google at their next sign-in.',
  documentation: 'https://developers.google.com/identity/openid-connect/openid-connect',
}

export const googleSaml: Preset = {
  name: 'Google Workspace (SAML)',
  kind: 'saml',
  asks: [
    {
      name: 'metadata',
      label: 'Metadata',
      help: 'The contents of the file GoogleIDPMetadata.xml. Google publishes it at no address, so a new certificate has to be brought here by hand.',
      example: '<EntityDescriptor …',
      long: true,
    },
  ],
  settings: () => ({
    subject: { from: 'attribute', name: 'employeeId' },
    claims: { email: 'email', firstName: 'firstName', lastName: 'lastName', groups: 'groups' },
  }),
  guide: [
    {
      text: 'In the Google Admin console, open Apps, then Web and mobile apps, and choose Add app, Add custom SAML app.',
    },
    { text: 'Give it a name, press Continue, and press Download metadata.' },
    {
      text: 'Fill in the service provider details. Leave Signed response as it is, and the name ID format “PERSISTENT” with the name ID Basic Information, Primary email: it is not used.',
      copy: [
        { field: 'ACS URL', place: 'acsUrl' },
        { field: 'Entity ID', place: 'entityId' },
      ],
    },
    {
      text: 'Map four attributes: Employee Details, Employee ID to employeeId; Basic Information, Primary email to email; First name to firstName; Last name to lastName. Under Group membership you can map groups to groups.',
    },
    { text: 'Press Finish, open User access, and switch the app on for whoever may sign in.' },
  ],
  notes: [
    'Connect Google Workspace without SAML if you can: it needs no file, and it names people by a number that is always there.',
    'A person is known by their employee ID, because Google puts nothing else into an assertion that stays the same. Everybody needs one, and none may ever be given to somebody else.',
  ],
  leaving:
    'Somebody whose Google account is suspended or deleted, or for whom the app is switched off, is refused by Google at their next sign-in.',
  documentation: 'https://support.google.com/a/answer/6087519',
}
