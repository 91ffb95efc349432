import { DOMParser } from '@xmldom/xmldom'
import { refused } from '../faults.ts'

/** An element that was read strictly. Names carry the prefixes of {@link namespaces}, whatever the sender wrote. */
export interface XmlElement {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly XmlElement[]
  /** Its own text; of an element that holds elements there is none. */
  readonly text: string
  readonly node: Element
}

/** What one element may hold. What is not said here is refused. */
export interface ElementRule {
  /** Names of attributes. @default none */
  readonly attributes?: readonly string[]
  /** Whether attributes of other namespaces are let pass unread. @default false */
  readonly foreign?: boolean
  /** Fits the names of the children, each with a space after it. @default no children */
  readonly children?: RegExp
  /** Whether it holds text. @default false */
  readonly text?: boolean
  /** Whether it is passed over unread with all that is in it: what has no bearing here. @default false */
  readonly skip?: boolean
}

/** Which elements there may be, and what each may hold. */
export type Grammar = Readonly<Record<string, ElementRule>>

/** Every namespace that an element may have, and how it is called here. */
const namespaces: ReadonlyMap<string | null, string> = new Map([
  ['urn:oasis:names:tc:SAML:2.0:protocol', 'samlp:'],
  ['urn:oasis:names:tc:SAML:2.0:assertion', 'saml:'],
  ['urn:oasis:names:tc:SAML:2.0:metadata', 'md:'],
  ['http://www.w3.org/2000/09/xmldsig#', 'ds:'],
  ['http://www.w3.org/2009/xmldsig11#', 'dsig11:'],
  ['http://www.w3.org/2001/10/xml-exc-c14n#', 'ec:'],
  ['http://www.w3.org/2001/04/xmlenc#', 'xenc:'],
  ['http://www.w3.org/2009/xmlenc11#', 'xenc11:'],
  ['http://www.w3.org/2001/XMLSchema-instance', 'xsi:'],
])

/** The largest message, in bytes. */
export const messageLimit: number = 256 * 1024
const depthLimit = 64
const elementLimit = 10_000
const attributeLimit = 32
/** How many different names elements may have, as they are written. */
const nameLimit = 100

/**
 * Reads a message in a language smaller than XML: UTF-8, elements, attributes and text, and of those only what the
 * grammar knows. No document type, entities, processing instructions, comments or CDATA sections; every identifier once.
 * What passes means the same to every reader.
 * @throws AppError `sso_failed`, its reason beginning with `saml_xml` or `saml_structure`
 */
export function readMessage(bytes: Uint8Array, grammar: Grammar): XmlElement {
  const source = decode(bytes)
  scan(source)
  const root = toElement(parse(source), grammar)
  assertIdsDiffer(root)
  return root
}

/** A message out of a form or a query: base64 (RFC 2045: lines may break), nothing else. */
export function fromBase64(text: string): Buffer {
  if (text.length > messageLimit * 1.5) throw refused('saml_xml: too large')
  const digits = text.replace(/\r?\n/g, '')
  if (digits === '' || digits.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(digits))
    throw refused('saml_xml: not base64')
  return Buffer.from(digits, 'base64')
}

/** The one child of that name; undefined where there is none or more than one. */
export function childOf(element: XmlElement, name: string): XmlElement | undefined {
  const [child, ...more] = childrenOf(element, name)
  return more.length === 0 ? child : undefined
}

/** All children of that name. */
export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name)
}

function decode(bytes: Uint8Array): string {
  if (bytes.length > messageLimit) throw refused('saml_xml: too large')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw refused('saml_xml: not UTF-8')
  }
  // A byte order mark is among these, and so is what no XML text may hold (XML 1.0 §2.2).
  // oxlint-disable-next-line no-control-regex
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\ufeff\ufffe\uffff]/.test(text))
    throw refused('saml_xml: character')
  return text
}

const declaration =
  /^<\?xml version=["']1\.0["'](?: encoding=["'][Uu][Tt][Ff]-8["'])?(?: standalone=["'](?:yes|no)["'])? ?\?>/
const tag =
  /<(\/?)([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)((?:\s+[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y
const attribute = /\s([A-Za-z_][\w.:-]*)\s*=\s*(?:"[^"]*"|'[^']*')/g
const strangeReference = /&(?!(?:lt|gt|amp|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)/

/** Holds the whole text to the small language and its limits before any library sees it. */
function scan(source: string): void {
  if (/<[!?]/.test(source.replace(declaration, ''))) throw refused('saml_xml: markup')
  if (strangeReference.test(source)) throw refused('saml_xml: reference')
  const open: string[] = []
  const names = new Set<string>()
  let at = declaration.exec(source)?.[0].length ?? 0
  let elements = 0
  for (;;) {
    const next = source.indexOf('<', at)
    const text = source.slice(at, next < 0 ? source.length : next)
    if (open.length === 0 ? text.trim() !== '' : text.includes(']]>'))
      throw refused('saml_xml: text')
    at += text.length
    if (at === source.length) break
    tag.lastIndex = at
    const [whole, closing, name, attributes, empty] = tag.exec(source) ?? []
    if (whole === undefined || (open.length === 0 && elements > 0)) throw refused('saml_xml: tag')
    at += whole.length
    if (closing) {
      if (attributes || empty || open.pop() !== name) throw refused('saml_xml: tag')
      continue
    }
    assertAttributes(attributes!)
    if (!empty) open.push(name!)
    // The library looks for the end of each name through the whole text.
    if (names.add(name!).size > nameLimit) throw refused('saml_xml: too many names')
    if (open.length > depthLimit) throw refused('saml_xml: too deep')
    if (++elements > elementLimit) throw refused('saml_xml: too many elements')
  }
  if (open.length > 0 || elements === 0) throw refused('saml_xml: tag')
}

function assertAttributes(attributes: string): void {
  const names = [...attributes.matchAll(attribute)].map(([, name]) => name)
  if (names.length > attributeLimit) throw refused('saml_xml: too many attributes')
  if (new Set(names).size !== names.length) throw refused('saml_xml: attribute twice')
}

function parse(source: string): Element {
  const fail = (): never => {
    throw refused('saml_xml: not well-formed')
  }
  const errorHandler = { warning: fail, error: fail, fatalError: fail }
  const root = new DOMParser({ errorHandler }).parseFromString(source, 'text/xml').documentElement
  return root ?? fail()
}

const elementNode = 1
const textNode = 3

const none: ReadonlyMap<string, string> = new Map([])

function toElement(node: Element, grammar: Grammar): XmlElement {
  const name = `${namespaces.get(node.namespaceURI) ?? '?:'}${node.localName}`
  const rule = Object.hasOwn(grammar, name) ? grammar[name]! : undefined
  if (!rule) throw refused(`saml_structure: ${name.slice(0, 64)}`)
  if (rule.skip) return { name, attributes: none, children: [], text: '', node }
  const nodes = Array.from(node.childNodes)
  if (nodes.some(({ nodeType }) => nodeType !== elementNode && nodeType !== textNode))
    throw refused('saml_xml: markup')
  const elements = nodes.filter(({ nodeType }) => nodeType === elementNode) as Element[]
  const names = elements.map(nameOf)
  const fits = rule.children ? rule.children.test(names.join('')) : elements.length === 0
  if (!fits) throw refused(`saml_structure: ${name} holds ${names.join('').slice(0, 200).trim()}`)
  const text = nodes
    .filter(({ nodeType }) => nodeType === textNode)
    .map(({ nodeValue }) => nodeValue ?? '')
    .join('')
  if (rule.text ? elements.length > 0 : text.trim() !== '')
    throw refused(`saml_structure: text in ${name}`)
  return {
    name,
    attributes: readAttributes(node, name, rule),
    children: elements.map((element) => toElement(element, grammar)),
    text: rule.text ? text : '',
    node,
  }
}

function nameOf({ namespaceURI, localName }: Element): string {
  return `${namespaces.get(namespaceURI) ?? '?:'}${localName} `
}

const namespaceNames = 'http://www.w3.org/2000/xmlns/'

function readAttributes(
  node: Element,
  element: string,
  { attributes: known = [], foreign = false }: ElementRule,
): ReadonlyMap<string, string> {
  const read = new Map<string, string>()
  for (const { namespaceURI, localName, name: written, value } of Array.from(node.attributes)) {
    if (namespaceURI === namespaceNames) {
      assertNamespace(localName, value)
      continue
    }
    const name = namespaceURI ? `${namespaces.get(namespaceURI) ?? '?:'}${localName}` : written
    if (known.includes(name)) {
      if (read.has(name)) throw refused('saml_xml: attribute twice')
      read.set(name, value)
    } else if (!foreign || !namespaceURI || localName.toLowerCase() === 'id')
      throw refused(`saml_structure: ${element} has ${written.slice(0, 64)}`)
  }
  return read
}

/** A relative namespace makes the canonical form undefined (Canonical XML §1.3), and an unbound prefix has none. */
function assertNamespace(prefix: string, uri: string): void {
  if (prefix === 'xml' || !/^(urn:|https?:\/\/)[\x21-\x7e]+$/.test(uri))
    throw refused('saml_xml: namespace')
}

/** However it is spelled: what one reader takes for an identifier must not be another element's for the next. */
function assertIdsDiffer(root: XmlElement): void {
  const ids = new Set<string>()
  const visit = ({ attributes, children }: XmlElement): void => {
    for (const [name, value] of attributes) {
      if (name.toLowerCase() !== 'id') continue
      if (!/^[A-Za-z_][\w.-]{0,255}$/.test(value)) throw refused('saml_xml: identifier')
      if (ids.has(value)) throw refused('saml_xml: identifier twice')
      ids.add(value)
    }
    children.forEach(visit)
  }
  visit(root)
}
