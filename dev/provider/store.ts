import { LRUCache } from 'lru-cache'
import type { Adapter, AdapterFactory, AdapterPayload, ClientMetadata } from 'oidc-provider'

/** Everything the provider remembers. It is gone when the process ends. */
export interface Store {
  readonly adapter: AdapterFactory
  /** Registers a client, or replaces its registration. */
  saveClient(metadata: ClientMetadata): void
  /** What a client knows the sessions of a person by (`sid`). */
  sessionsOf(person: string, clientId: string): readonly string[]
  /** Destroys the sessions, grants, codes and tokens of a person. */
  forgetPerson(id: string): void
}

/** A store in memory, at most 20,000 entries; the longest unused goes first. */
export function createStore(): Store {
  const entries = new LRUCache<string, AdapterPayload>({ max: 20_000 })

  function forget(matches: (payload: AdapterPayload) => boolean): void {
    const matching = [...entries.entries()].filter(([, payload]) => matches(payload))
    for (const [key] of matching) entries.delete(key)
  }

  function adapter(model: string): Adapter {
    const idKey = (id: string): string => `${model}:${id}`
    const uidKey = (uid: string): string => `${model} by uid:${uid}`
    return {
      async upsert(id, payload, expiresInSeconds = 0) {
        const options = { ttl: expiresInSeconds * 1000 }
        entries.set(idKey(id), payload, options)
        if (payload.uid) entries.set(uidKey(payload.uid), payload, options)
      },
      async find(id) {
        return entries.get(idKey(id))
      },
      async findByUid(uid) {
        return entries.get(uidKey(uid))
      },
      // User codes belong to the device flow, which is off.
      async findByUserCode() {},
      async consume(id) {
        const payload = entries.get(idKey(id))
        if (payload) payload.consumed = Math.floor(Date.now() / 1000)
      },
      async destroy(id) {
        const uid = entries.get(idKey(id))?.uid
        entries.delete(idKey(id))
        if (uid) entries.delete(uidKey(uid))
      },
      async revokeByGrantId(grantId) {
        forget((payload) => payload.grantId === grantId)
      },
    }
  }

  return {
    adapter,
    saveClient: (metadata) => void entries.set(`Client:${metadata.client_id}`, metadata),
    sessionsOf: (person, clientId) =>
      [...entries.entries()].flatMap(([key, payload]) => {
        const sid = payload.authorizations?.[clientId]?.sid
        return key.startsWith('Session:') && payload.accountId === person && sid ? [sid] : []
      }),
    forgetPerson: (id) => forget((payload) => payload.accountId === id),
  }
}
