import pg from 'pg'
import type { Connection } from '../db/open.ts'
import { newId } from '../lib/ids.ts'
import { metrics } from '../lib/metrics.ts'
import type { Log } from '../lib/log.ts'
import { Lease, leaseFor, outlived, renewEvery, statementFor, type Moment } from './lease.ts'
import { SessionMemory, type MemoryLimits } from './memory.ts'
import { revocationChannel, type Revocation, type Target } from './revocations.ts'

/** Reads what came after a position. */
const reading = `
  from revocation_head head left join revocations r on r.id > $2 order by r.id`

/** Tells the database that we are here, and reads: what a lease is given for. */
const renewal = {
  name: 'renew',
  text: `with renewed as (update nodes set at = clock_timestamp() where id = $1 returning true)
    select exists (select from renewed) as known, head.id as head, r.id, r.kind, r.target ${reading}`,
}

/** Only reads. */
const glance = {
  name: 'look',
  text: `select exists (select from nodes where id = $1) as known, head.id as head, r.id, r.kind, r.target ${reading}`,
}

/** Says how far we are; for this statement alone, a commit need not wait for the disk. */
export const acknowledgment: pg.QueryConfig & { readonly text: string } = {
  name: 'acknowledge',
  text: `with unhurried as (select set_config('synchronous_commit', 'off', true))
    update nodes set position = $2 from unhurried where id = $1`,
}

/** What a node is made of. */
export interface NodeOptions {
  readonly database: Connection
  readonly log: Log
  readonly limits?: MemoryLimits
  /** Whether to listen for nudges; without, only the timer renews. @default true */
  readonly listen?: boolean
  readonly lease?: Lease
}

/**
 * One node among those that answer from memory: it registers, renews its lease by a timer, looks at every nudge what
 * was revoked, applies it and acknowledges what it has applied. See docs/coherence.md for the protocol and its argument.
 *
 * States: *unregistered* (no memory, no lease) → register → *registered* (may begin a renewal within L) → renew →
 * *leased* (answers from memory until L after the renewal began) → renew → … More than L after the last
 * statement that succeeded *began*, or on another connection, it is *unregistered* again. It has one connection of
 * its own, so that a busy pool never costs a lease.
 */
export class Node {
  readonly memory: SessionMemory
  readonly lease: Lease
  readonly #options: NodeOptions
  #client: pg.Client | undefined
  /**
   * Our row in `nodes`. Every connection has its own: a registration that went unanswered on an earlier one may still
   * be on its way, and must not say of this one that it knows what happened since.
   */
  #row = ''
  #registeredRow: string | undefined
  /** When the last statement about this node that succeeded began; undefined: unregistered. */
  #since: Moment | undefined
  #acknowledged = -1
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  /** What somebody asked for since the last statement was sent. */
  #wanted: 'renew' | 'look' | undefined
  #stopped = false
  #unreachable = false

  constructor(options: NodeOptions) {
    this.#options = options
    this.memory = new SessionMemory(options.limits)
    this.lease = options.lease ?? new Lease()
  }

  /** Registers, renews once, and goes on renewing. A database that is away is tried again until it answers. */
  async start(): Promise<void> {
    await this.renew()
    this.#timer = setInterval(() => void this.renew(), renewEvery).unref()
  }

  /** Renews now. However many ask at once, one statement runs; who asks during it is owed another. */
  renew(): Promise<void> {
    this.#wanted = 'renew'
    return this.#run()
  }

  /**
   * Looks now what happened, without renewing: nothing is written but how far we are, so nothing waits for the disk.
   * A node without a lease renews.
   */
  look(): Promise<void> {
    this.#wanted ??= 'look'
    return this.#run()
  }

  /** Gives the lease up and takes the node off the list, so that nobody waits for it. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#running
    this.lease.end()
    this.memory.clear(this.memory.position)
    await this.#client?.query('delete from nodes where id = $1', [this.#row]).catch(() => {})
    await this.#disconnect()
  }

  #run(): Promise<void> {
    this.#running ??= this.#loop().finally(() => (this.#running = undefined))
    return this.#running
  }

  async #loop(): Promise<void> {
    while (this.#wanted && !this.#stopped) {
      const wanted = this.#wanted
      this.#wanted = undefined
      try {
        const client = this.#client ?? (await this.#connect())
        const looking = wanted === 'look' && this.#since && this.lease.holds()
        await (looking ? this.#look(client) : this.#renew(client))
        this.#tell(false)
      } catch (err) {
        this.#tell(true, err)
        await this.#disconnect()
      }
    }
  }

  /** Tells the operator once that leases cannot be renewed, and once that they can again. */
  #tell(unreachable: boolean, err?: unknown): void {
    const { log } = this.#options
    if (unreachable === this.#unreachable || this.#stopped) return
    this.#unreachable = unreachable
    if (unreachable)
      log.warn({ err }, 'leases cannot be renewed; when they end, memory is not believed')
    else log.info('leases are renewed again')
  }

  async #renew(client: pg.Client): Promise<void> {
    let began = this.lease.moment()
    // Asked of the very moment at which the renewal begins: a registration that has grown old meanwhile is no right.
    while (!this.#since || outlived(this.#since, began, leaseFor)) {
      await this.#register(client)
      began = this.lease.moment()
    }
    const revocations = await this.#read(client, renewal)
    if (!revocations) return this.#startOver()
    this.memory.apply(revocations)
    this.#since = began
    // Who has seen us silent for L + S waits no longer: an answer later than S must not prove them wrong.
    if (!outlived(began, this.lease.moment(), statementFor)) this.lease.renew(began)
    await this.#acknowledge(client)
  }

  /** Applies what happened. The lease stays as it was: what it was given for, it is given for with more applied too. */
  async #look(client: pg.Client): Promise<void> {
    const revocations = await this.#read(client, glance)
    if (!revocations) return this.#startOver()
    this.memory.apply(revocations)
    await this.#acknowledge(client)
  }

  /** What we remember may be older than what nobody waited for, or what nobody can tell us any more. */
  #startOver(): void {
    this.#since = undefined
    this.#wanted = 'renew'
    this.#forget(this.memory.position)
  }

  /**
   * Forgets first, registers second: a row that says we know everything up to now must find nothing older in memory.
   * The row of an earlier connection goes, so that nobody waits for it.
   */
  async #register(client: pg.Client): Promise<void> {
    this.#forget(this.memory.position)
    if (this.#registeredRow !== undefined) metrics.leasesLost.add(1)
    const began = this.lease.moment()
    const { rows } = await client.query<{ position: string }>(
      `with earlier as (delete from nodes where id = $2 and id <> $1)
       insert into nodes (id, at, position) select $1, clock_timestamp(), id from revocation_head
       on conflict (id) do update set at = excluded.at, position = excluded.position returning position`,
      [this.#row, this.#registeredRow],
    )
    this.#registeredRow = this.#row
    this.#forget(Number(rows[0]!.position))
    this.#acknowledged = this.memory.position
    this.#since = began
  }

  /**
   * What happened since our position. Undefined when the database does not know us, or cannot tell everything:
   * positions have no gaps, so what is missing was pruned.
   */
  async #read(
    client: pg.Client,
    statement: pg.QueryConfig,
  ): Promise<readonly Revocation[] | undefined> {
    const { rows } = await client.query<{
      known: boolean
      head: string
      id: string | null
      kind: Target['kind']
      target: string | null
    }>({ ...statement, values: [this.#row, this.memory.position] })
    const { known, head } = rows[0]!
    const revocations = rows
      .filter(({ id }) => id !== null)
      .map(({ id, kind, target }) => ({
        position: Number(id),
        target: { kind, id: target } as Target,
      }))
    const complete = this.memory.position + revocations.length === Number(head)
    return known && complete ? revocations : undefined
  }

  /**
   * Says how far we have *applied*, in a statement of its own: a position that is merely read promises nothing. It does
   * not wait for the disk: should it be lost, we are only waited for longer.
   */
  async #acknowledge(client: pg.Client): Promise<void> {
    const { position } = this.memory
    if (position === this.#acknowledged) return
    await client.query({ ...acknowledgment, values: [this.#row, position] })
    this.#acknowledged = position
  }

  #forget(position: number): void {
    this.lease.end()
    this.memory.clear(position)
  }

  async #connect(): Promise<pg.Client> {
    const { database, listen = true } = this.#options
    const where = typeof database === 'string' ? { connectionString: database } : database
    const client = new pg.Client({
      ...where,
      application_name: 'sallyport-node',
      connectionTimeoutMillis: statementFor * 4,
      statement_timeout: statementFor,
      query_timeout: statementFor,
      keepAlive: true,
    })
    client.on('error', () => {})
    client.on('notification', () => void this.renew())
    client.on('end', () => {
      if (this.#client === client) this.#client = undefined
    })
    this.#client = client
    this.#row = newId()
    this.#since = undefined
    await client.connect()
    if (listen) await client.query(`listen ${revocationChannel}`)
    return client
  }

  async #disconnect(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    // A connection that is cut half open never answers a goodbye.
    ;(
      client as unknown as { connection?: { stream?: { destroy(): void } } }
    )?.connection?.stream?.destroy()
    await client?.end().catch(() => {})
  }
}
