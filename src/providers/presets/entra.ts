import { z } from 'zod'
import type { Preset } from './preset.ts'
import { client, metadata, metadataOf, offline, oneOfMetadata } from './questions.ts'

/** Only a tenant's own number names it: `common` and `organizations` are everybody, and a domain can move. */
const tenantId = z
  .string()
  .toLowerCase()
  .regex(
    /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
    'Give the Directory (tenant) ID, such as 8eaef023-2b34-4da1-9baa-8bc8c9d6a490: a domain or “common” will not do.',
  )

export const entra: Preset = {
  name: 'Microsoft Entra ID',
  kind: 'oidc',
  asks: [
    {
      name: 'tenant',
      label: 'Directory (tenant) ID',
      help: 'On the application’s Overview page.',
      example: '8eaef023-2b34-4da1-9baa-8bc8c9d6a490',
      read: tenantId,
    },
    ...client,
  ],
  settings: ({ tenant, clientId, clientSecret }) => ({
    issuer: `https://login.microsoftonline.com/${tenant}/v2.0`,
    clientId,
    clientAuth: 'client_secret_post',
    clientSecret,
    scopes: offline,
    requiredClaims: { tid: tenant },
    // A tenant's administrators may write any address on an account, whoever owns it.
    emailVerified: 'never',
  }),
  guide: [
    {
      text: 'In the Microsoft Entra admin center, open Entra ID, then App registrations, and press New registration.',
    },
    {
      text: 'Give it a name. Under Supported account types, choose accounts in this organizational directory only (single tenant). Under Redirect URI, choose the platform Web, and press Register.',
      copy: [{ field: 'Redirect URI (Web)', place: 'redirectUri' }],
    },
    {
      text: 'Copy the Application (client) ID and the Directory (tenant) ID from the Overview page.',
    },
    {
      text: 'Open Certificates & secrets, press New client secret, and copy its Value (not its Secret ID) at once. Note when it expires: sign-ins stop then.',
    },
    {
      text: 'Open Token configuration, press Add optional claim, choose ID, and tick auth_time and email. Without auth_time nobody can confirm through Entra that it is them.',
    },
    {
      text: 'To choose who may sign in, open Enterprise applications, the same application, Properties, and set Assignment required to Yes; then assign people under Users and groups.',
    },
  ],
  secretEnds:
    'A client secret of Entra’s lasts two years at most; Certificates & secrets shows the day on which it expires.',
  notes: [
    'Only the tenant that was given is accepted: its number stands in the issuer and in the claim “tid”, and both are checked.',
    'A person is known by the claim “sub”, which Entra makes for this one application. If you register the application anew, everybody links their account again.',
    'No address counts as verified, because a tenant’s administrators can write any address on an account.',
    'Guests of your tenant can sign in too, unless assignment is required.',
    'With a groups claim (Token configuration, Add groups claim), groups come as their object IDs.',
  ],
  leaving:
    'Somebody whose Entra account is blocked or deleted, or who is no longer assigned, is refused by Entra at their next sign-in.',
  documentation:
    'https://learn.microsoft.com/en-us/entra/identity-platform/quickstart-register-app',
}

export const entraSaml: Preset = {
  name: 'Microsoft Entra ID (SAML)',
  kind: 'saml',
  asks: metadata(
    'https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/federationmetadata/2007-06/federationmetadata.xml?appid=11112222-3333-4444-5555-666677778888',
    'Under Single sign-on, SAML Certificates: App Federation Metadata Url.',
  ),
  complaints: oneOfMetadata,
  settings: (answers) => ({
    ...metadataOf(answers),
    // In every assertion of Entra's, and the same for ever; the NameID may be an address.
    subject: {
      from: 'attribute',
      name: 'http://schemas.microsoft.com/identity/claims/objectidentifier',
    },
    claims: {
      name: 'http://schemas.microsoft.com/identity/claims/displayname',
      email: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress',
      firstName: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname',
      lastName: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname',
      groups: 'http://schemas.microsoft.com/ws/2008/06/identity/claims/groups',
    },
  }),
  guide: [
    {
      text: 'In the Microsoft Entra admin center, open Enterprise applications, press New application, then Create your own application, and choose “Integrate any other application you don’t find in the gallery”.',
    },
    { text: 'Open Single sign-on, and choose SAML.' },
    {
      text: 'Edit Basic SAML Configuration, and save.',
      copy: [
        { field: 'Identifier (Entity ID)', place: 'entityId' },
        { field: 'Reply URL (Assertion Consumer Service URL)', place: 'acsUrl' },
        { field: 'Logout Url', place: 'sloUrl' },
      ],
    },
    { text: 'Leave Attributes & Claims as they are.' },
    { text: 'Under SAML Certificates, copy the App Federation Metadata Url.' },
    { text: 'Under Users and groups, assign who may sign in.' },
  ],
  notes: [
    'A person is known by the object ID of their Entra account, which is in every assertion, whatever the NameID is.',
    'Entra signs with the application’s own certificate, for three years. A new one is taken from the metadata address before the old one ends.',
  ],
  leaving:
    'Somebody whose Entra account is blocked or deleted, or who is no longer assigned, is refused by Entra at their next sign-in.',
  documentation:
    'https://learn.microsoft.com/en-us/entra/identity/enterprise-apps/add-application-portal-setup-sso',
}
