/** What HTML calls a valid address, with at least one dot in the domain: one mailbox, no quotes, comments or lists. */
const mailbox =
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/

/** RFC 5321 §4.5.3.1.3: a path has 256 characters, and two of them are brackets. */
const longest = 254

/**
 * Whether mail may be sent to an address, and so whether it can ever be verified: plain ASCII, one mailbox. Letters of
 * other alphabets are refused, because two spellings that look or fold alike may be two mailboxes; an international
 * domain is written `xn--…`.
 */
export function isMailbox(address: string): boolean {
  return address.length <= longest && mailbox.test(address)
}
