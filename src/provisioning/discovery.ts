import {
  enterpriseSchema,
  groupKind,
  groupSchema,
  urn,
  userKind,
  userSchema,
  type Attribute,
  type ResourceKind,
  type Schema,
} from './attributes.ts'
import { mostListed } from './listing.ts'
import type { Values } from './values.ts'

const documents = 'urn:ietf:params:scim:schemas:core:2.0'

/** What this server can do (RFC 7643 §5). Many requests in one are not among it. */
export function serviceProviderConfig(base: string): Values {
  return {
    schemas: [`${documents}:ServiceProviderConfig`],
    patch: { supported: true },
    bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
    filter: { supported: true, maxResults: mostListed },
    changePassword: { supported: false },
    sort: { supported: false },
    etag: { supported: true },
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'Bearer token',
        description: 'A token of the connection, made on its provisioning page.',
        primary: true,
      },
    ],
    meta: {
      resourceType: 'ServiceProviderConfig',
      location: `${base}/ServiceProviderConfig`,
    },
  }
}

/** What there is (RFC 7643 §6). */
export function resourceTypes(base: string): readonly Values[] {
  return [userKind, groupKind].map((kind) => resourceType(kind, base))
}

function resourceType({ name, endpoint, schema, extensions }: ResourceKind, base: string): Values {
  return {
    schemas: [`${documents}:ResourceType`],
    id: name,
    name,
    endpoint,
    description: schema.description,
    schema: schema.id,
    ...(extensions.length > 0 && {
      schemaExtensions: extensions.map(({ id }) => ({ schema: id, required: false })),
    }),
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${name}` },
  }
}

/** What it is made of (RFC 7643 §7). */
export function schemas(base: string): readonly Values[] {
  return [userSchema, enterpriseSchema, groupSchema].map((one) => schemaDocument(one, base))
}

function schemaDocument({ id, name, description, attributes }: Schema, base: string): Values {
  return {
    schemas: [`${documents}:Schema`],
    id,
    name,
    description,
    attributes: attributes.map(attributeDocument),
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${id}` },
  }
}

function attributeDocument({
  name,
  description,
  type,
  parts,
  many = false,
  required = false,
  mutability = 'readWrite',
  uniqueness = 'none',
  caseExact = false,
}: Attribute): Values {
  return {
    name,
    type,
    multiValued: many,
    description,
    required,
    ...(type === 'string' && { caseExact }),
    ...(type === 'reference' && { caseExact: true, referenceTypes: ['User', 'Group'] }),
    mutability,
    returned: 'default',
    uniqueness,
    ...(parts && { subAttributes: parts.map(attributeDocument) }),
  }
}

/** One of several documents by its id, whatever its case. */
export function findDocument(documents: readonly Values[], id: string): Values | undefined {
  return documents.find((one) => String(one['id']).toLowerCase() === id.toLowerCase())
}

/** Documents as a list (RFC 7644 §4). */
export function listedDocuments(documents: readonly Values[]): Values {
  return {
    schemas: [urn.list],
    totalResults: documents.length,
    startIndex: 1,
    itemsPerPage: documents.length,
    Resources: documents,
  }
}
