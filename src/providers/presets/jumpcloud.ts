import type { Preset } from './preset.ts'
import { client, metadata, metadataOf, offline, oneOfMetadata, webAddress } from './questions.ts'

const leaving =
  'Somebody whose JumpCloud account is suspended or deleted, or whose groups no longer have the application, is refused by JumpCloud at their next sign-in.'

export const jumpcloud: Preset = {
  name: 'JumpCloud',
  kind: 'oidc',
  asks: [
    ...client,
    {
      name: 'issuer',
      label: 'Issuer',
      help: 'Only where your JumpCloud is not at oauth.id.jumpcloud.com: the value of “issuer” in its discovery document.',
      example: 'https://oauth.id.jumpcloud.com/',
      optional: true,
      read: webAddress,
    },
  ],
  settings: ({ issuer = 'https://oauth.id.jumpcloud.com/', clientId, clientSecret }) => ({
    issuer,
    clientId,
    clientAuth: 'client_secret_basic',
    clientSecret,
    scopes: offline,
    userinfo: true,
  }),
  guide: [
    {
      text: 'In the JumpCloud Admin Portal, open Access, then SSO Applications, press Add New Application, and choose Custom Application. Choose “Manage Single Sign-On (SSO)”, then “Configure SSO with OIDC”.',
    },
    {
      text: 'Give it a name, and open the tab SSO. Add the redirect URI, and the address of your application as Login URL. Set Client Authentication Type to “Client Secret Basic”, and tick Refresh Token under Grant Types.',
      copy: [{ field: 'Redirect URIs', place: 'redirectUri' }],
    },
    { text: 'Under Attribute Mapping, tick the standard scopes Email and Profile.' },
    {
      text: 'On the tab User Groups, choose who may sign in. Press Activate, and copy client ID and client secret: the secret is shown only then.',
    },
  ],
  notes: [
    'The issuer is the same for all of JumpCloud’s customers. It is the client ID that belongs to your organization, and JumpCloud lets through only people whose groups have the application.',
  ],
  leaving,
  documentation: 'https://jumpcloud.com/support/sso-with-oidc',
}

export const jumpcloudSaml: Preset = {
  name: 'JumpCloud (SAML)',
  kind: 'saml',
  asks: metadata(
    'https://sso.jumpcloud.com/saml2/metadata/65a1b2c3d4',
    'On the tab SSO, where it has “Copy Metadata URL”; otherwise use “Export Metadata” and paste the file below.',
  ),
  complaints: oneOfMetadata,
  settings: (answers) => ({
    ...metadataOf(answers),
    subject: { from: 'nameid' },
    claims: { email: 'email', firstName: 'firstname', lastName: 'lastname', groups: 'memberOf' },
  }),
  guide: [
    {
      text: 'In the JumpCloud Admin Portal, open Access, then SSO Applications, press Add New Application, and choose Custom Application. Choose “Manage Single Sign-On (SSO)”, then “Configure SSO with SAML”.',
    },
    {
      text: 'Give it a name, open the tab SSO, and fill in the addresses. IdP Entity ID can be any address of your own, such as that of your application.',
      copy: [
        { field: 'SP Entity ID', place: 'entityId' },
        { field: 'ACS URLs', place: 'acsUrl' },
      ],
    },
    {
      text: 'Set SAMLSubject NameID to what never changes about a person and never passes to anybody else, such as an employee identifier, and the NameID format to persistent. Signature Algorithm is RSA-SHA256; tick Sign Assertion.',
    },
    {
      text: 'Under Attributes, map the service provider attributes email to email, firstname to firstname, and lastname to lastname. With “Include group attribute”, name it memberOf.',
    },
    {
      text: 'On the tab User Groups, choose who may sign in. Press Save, and copy the metadata’s address or export the metadata from the tab SSO.',
    },
  ],
  notes: [
    'A person is known by the NameID. With an address as NameID, whoever is given that address later would be the same person here.',
  ],
  leaving,
  documentation: 'https://jumpcloud.com/support/sso-using-custom-saml-application-connectors',
}
