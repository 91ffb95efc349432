import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

/** Why a name cannot be an organization's. */
export type DomainFault = 'no_domain' | 'public_suffix' | 'free_mail'

/** Two labels or more of letters, digits and dashes (RFC 1123 §2.1). */
const shape =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * A domain's one spelling: ASCII (IDNA), lower case, no dot at the end. Undefined for what is none: a number, a single
 * label, an address, a wildcard.
 */
export function normalDomain(text: string): string | undefined {
  const trimmed = text.trim()
  // What the URL parser would quietly drop, decode or read as the beginning of something else.
  if (trimmed.length > 253 || /[\s%@/\\?#:[\]]/.test(trimmed)) return undefined
  const domain = domainToASCII(trimmed).replace(/\.$/, '')
  return shape.test(domain) && domain.length <= 253 && isIP(domain) === 0 ? domain : undefined
}

/** The domain of an address, in its one spelling. */
export function domainOfAddress(address: string): string | undefined {
  const at = address.lastIndexOf('@')
  return at < 1 ? undefined : normalDomain(address.slice(at + 1))
}

/**
 * Where anybody gets an address. Nobody can prove these by DNS but their owners, whose employees are not everybody who
 * has an address there.
 */
const freeMail: ReadonlySet<string> = new Set(
  `
  126.com 163.com aim.com aol.com duck.com fastmail.com free.fr gmail.com gmx.at gmx.ch
  gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.co.uk hotmail.com hotmail.de
  hotmail.fr hushmail.com icloud.com inbox.com laposte.net libero.it live.com mac.com mail.com
  mail.ru mailbox.org mailinator.com me.com msn.com naver.com orange.fr outlook.com outlook.de
  pm.me posteo.de proton.me protonmail.com qq.com rediffmail.com rocketmail.com seznam.cz
  t-online.de tuta.com tutanota.com wanadoo.fr web.de yahoo.co.jp yahoo.co.uk yahoo.com
  yahoo.de yahoo.fr yandex.com yandex.ru ymail.com zoho.com
  `
    .trim()
    .split(/\s+/),
)

/** Reads a domain that somebody claims for their organization: its one spelling, or why it cannot be one's own. */
export async function readClaim(
  text: string,
): Promise<{ domain: string } | { fault: DomainFault }> {
  const domain = normalDomain(text)
  if (!domain) return { fault: 'no_domain' }
  if (freeMail.has(domain)) return { fault: 'free_mail' }
  // The list is long, and few claims are ever made.
  const { parse } = await import('tldts')
  // Both halves of the public suffix list: below `co.uk` and below `github.io`, anybody may have a name.
  const { domain: registrable } = parse(domain, { allowPrivateDomains: true })
  return registrable === null ? { fault: 'public_suffix' } : { domain }
}
