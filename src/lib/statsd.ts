import { createSocket } from 'node:dgram'
import { Read, metrics, readSamples, type Sample, type Sources } from './metrics.ts'

/** How often the numbers are sent, in milliseconds. */
const every = 10_000

/** A packet that no network has to take apart. */
const mostBytes = 1400

/**
 * Sends what has been counted since the last time to a statsd over UDP. Nobody waits for it, and nothing is tried
 * again: what gets lost is lost.
 * @param to `udp://host:port`
 * @returns what stops it
 */
export function sendToStatsd(to: URL, sources: Sources): () => void {
  const socket = createSocket(to.hostname.includes(':') ? 'udp6' : 'udp4').unref()
  socket.on('error', () => {})
  const sent = new Map<string, number>()
  let stopped = false
  const timer = setInterval(async () => {
    const samples = await readSamples(sources)
    if (stopped) return
    for (const packet of packets(linesOf(samples, sent)))
      socket.send(packet, Number(to.port || 8125), to.hostname.replaceAll(/[[\]]/g, ''), () => {})
  }, every).unref()
  return () => {
    stopped = true
    clearInterval(timer)
    socket.close()
  }
}

/**
 * Counters as what was added since the last time, gauges as they stand.
 * @param sent what counters stood at the last time; moved on
 */
export function linesOf(
  samples: readonly (readonly Sample[])[],
  sent: Map<string, number>,
): readonly string[] {
  const types = Object.values(metrics).map((metric) =>
    metric instanceof Read ? metric.type : 'counter',
  )
  return samples.flatMap((ofMetric, i) =>
    ofMetric
      .filter(({ name }) => !name.endsWith('_bucket'))
      .flatMap((sample) => {
        const name = nameOf(sample)
        if (types[i] === 'gauge') return [`${name}:${sample.value}|g`]
        const added = sample.value - (sent.get(name) ?? 0)
        sent.set(name, sample.value)
        return added === 0 ? [] : [`${name}:${round(added)}|c`]
      }),
  )
}

/** `sallyport.outcomes_total.go`: the labels' values follow the name, without what has a meaning to statsd. */
function nameOf({ name, labels }: Sample): string {
  const parts = [name.replace('_', '.'), ...Object.values(labels)]
  return parts.map((part, i) => (i === 0 ? part : part.replaceAll(/[^\w-]+/g, '_'))).join('.')
}

function round(value: number): number {
  return Number(value.toFixed(6))
}

function packets(lines: readonly string[]): string[] {
  const all: string[] = []
  for (const line of lines) {
    const last = all.at(-1)
    if (last !== undefined && last.length + line.length < mostBytes)
      all[all.length - 1] = `${last}\n${line}`
    else all.push(line)
  }
  return all
}
