import { crc32 } from 'node:zlib'
import { randomToken } from './secrets.ts'

/** What a token is for; a token of one kind is nothing anywhere else. */
export type TokenKind = 'scim'

const shape = /^sp_([a-z]{2,8})_([0-9a-f]{32})_([A-Za-z0-9_-]{43})_([0-9a-f]{8})$/

/**
 * A new token for a program: `sp_<kind>_<id>_<secret>_<checksum>`. Whoever looks for secrets that got lost finds it by its
 * beginning and its checksum. Only its hash is stored.
 * @param id of its row
 */
export function newApiToken(kind: TokenKind, id: string): string {
  const bare = `sp_${kind}_${id.replaceAll('-', '')}_${randomToken()}`
  return `${bare}_${checksum(bare)}`
}

/** The id of the row that a token is said to have; undefined where the text is no token of that kind. */
export function idOfApiToken(kind: TokenKind, text: string): string | undefined {
  const [, found, id = '', , sum] = shape.exec(text) ?? []
  if (found !== kind || sum !== checksum(text.slice(0, -9))) return undefined
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function checksum(bare: string): string {
  return crc32(bare).toString(16).padStart(8, '0')
}
