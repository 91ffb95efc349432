/** The names of the schemas and messages that are understood (RFC 7643 §8.7, RFC 7644 §3). */
export const urn = {
  user: 'urn:ietf:params:scim:schemas:core:2.0:User',
  enterprise: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
  group: 'urn:ietf:params:scim:schemas:core:2.0:Group',
  list: 'urn:ietf:params:scim:api:messages:2.0:ListResponse',
  patch: 'urn:ietf:params:scim:api:messages:2.0:PatchOp',
  error: 'urn:ietf:params:scim:api:messages:2.0:Error',
} as const

/** One attribute, and what may be done with it (RFC 7643 §7). */
export interface Attribute {
  readonly name: string
  readonly description: string
  readonly type: 'string' | 'boolean' | 'complex' | 'reference'
  /** The attributes of a complex one. */
  readonly parts?: readonly Attribute[]
  /** @default false: it has one value */
  readonly many?: boolean
  /** @default 'readWrite' */
  readonly mutability?: 'readWrite' | 'readOnly'
  /** @default false */
  readonly required?: boolean
  /** @default 'none' */
  readonly uniqueness?: 'none' | 'server'
  /** @default false */
  readonly caseExact?: boolean
}

/** A schema: the attributes that stand beside one another under one name. */
export interface Schema {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly attributes: readonly Attribute[]
}

const text = (name: string, description: string): Attribute => ({
  name,
  description,
  type: 'string',
})

/** What each value of a list has beside itself. */
const listed: readonly Attribute[] = [
  text('value', 'The value itself.'),
  text('display', 'How the value is shown.'),
  text('type', 'What kind of value it is, such as work.'),
  { name: 'primary', description: 'Whether it is the one to use.', type: 'boolean' },
]

const list = (name: string, description: string): Attribute => ({
  name,
  description,
  type: 'complex',
  many: true,
  parts: listed,
})

export const userSchema: Schema = {
  id: urn.user,
  name: 'User',
  description: 'Somebody who belongs to the organization, or did.',
  attributes: [
    {
      ...text('userName', 'The name by which the directory knows them. Case does not matter.'),
      required: true,
      uniqueness: 'server',
    },
    {
      name: 'active',
      description: 'Whether they may sign in. False ends what they are signed in to, at once.',
      type: 'boolean',
    },
    {
      name: 'name',
      description: 'Their name, in parts.',
      type: 'complex',
      parts: [
        text('formatted', 'The whole name.'),
        text('familyName', 'The family name.'),
        text('givenName', 'The given name.'),
        text('middleName', 'The middle names.'),
        text('honorificPrefix', 'What stands before it.'),
        text('honorificSuffix', 'What stands after it.'),
      ],
    },
    text('displayName', 'The name to show.'),
    text('nickName', 'What they are called.'),
    text('title', 'What they are in the organization.'),
    text('userType', 'How they belong to it, such as Employee.'),
    text('preferredLanguage', 'The language they prefer.'),
    text('locale', 'The place whose customs they prefer.'),
    text('timezone', 'Their time zone.'),
    list('emails', 'Their addresses. Kept for display; never a key.'),
    list('phoneNumbers', 'Their telephone numbers.'),
    {
      name: 'groups',
      description: 'The groups they are in. Changed at the groups.',
      type: 'complex',
      many: true,
      mutability: 'readOnly',
      parts: [...listed.slice(0, 3), { ...text('$ref', 'Where the group is.'), type: 'reference' }],
    },
    {
      name: 'roles',
      description: 'Not taken from a directory: rules about groups give roles.',
      type: 'complex',
      many: true,
      mutability: 'readOnly',
      parts: listed,
    },
  ],
}

export const enterpriseSchema: Schema = {
  id: urn.enterprise,
  name: 'EnterpriseUser',
  description: 'What an enterprise says of somebody beside.',
  attributes: [
    text('employeeNumber', 'Their number there.'),
    text('costCenter', 'Who pays for them.'),
    text('organization', 'The organization they are in.'),
    text('division', 'The division they are in.'),
    text('department', 'The department they are in.'),
    {
      name: 'manager',
      description: 'Whom they report to.',
      type: 'complex',
      parts: [
        text('value', 'The id of the manager.'),
        { ...text('$ref', 'Where the manager is.'), type: 'reference' },
        text('displayName', 'What the manager is called.'),
      ],
    },
  ],
}

export const groupSchema: Schema = {
  id: urn.group,
  name: 'Group',
  description: 'People that the directory has put together. A rule can give them a role.',
  attributes: [
    {
      ...text('displayName', 'The name of the group; rules about groups name it.'),
      required: true,
      uniqueness: 'server',
    },
    {
      name: 'members',
      description: 'Who is in it.',
      type: 'complex',
      many: true,
      parts: [
        { ...text('value', 'The id of the User.'), caseExact: true },
        text('display', 'What they are called.'),
        text('type', 'User.'),
        { ...text('$ref', 'Where the User is.'), type: 'reference' },
      ],
    },
  ],
}

/** What every resource has (RFC 7643 §3.1), and no schema lists. */
const common: readonly Attribute[] = [
  { ...text('id', 'Our name for it.'), mutability: 'readOnly', caseExact: true },
  { ...text('externalId', 'The directory’s name for it.'), caseExact: true },
  {
    name: 'meta',
    description: 'When it was made and changed.',
    type: 'complex',
    mutability: 'readOnly',
    parts: [],
  },
  {
    ...text('schemas', 'Which schemas it follows.'),
    type: 'string',
    many: true,
    mutability: 'readOnly',
  },
]

/** A kind of resource: its own attributes, and extensions beside them under their schema's name. */
export interface ResourceKind {
  readonly name: 'User' | 'Group'
  readonly endpoint: '/Users' | '/Groups'
  readonly schema: Schema
  readonly extensions: readonly Schema[]
  /** Everything that can be named in it, without what is in an extension. */
  readonly attributes: readonly Attribute[]
}

export const userKind: ResourceKind = {
  name: 'User',
  endpoint: '/Users',
  schema: userSchema,
  extensions: [enterpriseSchema],
  attributes: [...common, ...userSchema.attributes],
}

export const groupKind: ResourceKind = {
  name: 'Group',
  endpoint: '/Groups',
  schema: groupSchema,
  extensions: [],
  attributes: [...common, ...groupSchema.attributes],
}

/** The attribute of that name, whatever its case (RFC 7643 §2.1). */
export function findAttribute(
  attributes: readonly Attribute[],
  name: string,
): Attribute | undefined {
  const wanted = name.toLowerCase()
  return attributes.find((one) => one.name.toLowerCase() === wanted)
}
