/**
 * What a person does at the development provider, without a window: opens the address an application sent them to,
 * and presses somebody's button.
 * @param person an id of the provider's
 * @returns where the provider sends the browser, which is back to the application
 */
export async function chooseAt(authorization: URL, person: string): Promise<URL> {
  const cookies = new Map<string, string>()
  const ask = async (url: URL, method = 'GET'): Promise<URL | undefined> => {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(url, { method, headers: { cookie }, redirect: 'manual' })
    await response.body?.cancel()
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    return location === null ? undefined : new URL(location, url)
  }
  const page = await ask(authorization)
  let next =
    page?.origin === authorization.origin
      ? await ask(new URL(`${page.pathname}/sign-in/${person}`, page), 'POST')
      : page
  while (next?.origin === authorization.origin) next = await ask(next)
  if (!next) throw new Error(`The development provider did not send "${person}" back.`)
  return next
}
