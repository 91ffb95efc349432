import type { World } from './protocol.ts'

/** Every rule of the protocol that can be taken away, and what happens instead. */
export const rules = {
  'acknowledge what is applied':
    'the statement that reads also writes what it has read as the position',
  'wait until T + L': 'a node is waited for until its last recorded time + L',
  'silent means L + S': 'a node silent for L counts as dead',
  'a registration lasts for L': 'once registered, a node may begin a renewal at any time',
  'only a renewal gives a lease': 'a look gives one too',
  'T before what is seen': 'the clock is read after the rows of which it is to judge',
  'a lease runs from the beginning': 'a lease runs from the end of its renewal',
  'an answer later than S gives no lease': 'any answer gives a lease',
  'a margin for drift': 'T + L is waited for by a clock that may be faster',
  'both clocks': 'a lease lasts by the clock that stands still while the machine is suspended',
  'memory needs a lease': 'what is remembered is believed without one',
  'forget before registering':
    'a node forgets when its registration is answered, and keeps its lease until then',
  'forget at the answer': 'what was read while the registration was under way is kept',
  'a row for each connection':
    'a registration given up on an earlier connection may arrive late, for the same row',
  'a fill is fenced': 'whatever a read found is remembered',
  'share under a lease': 'whoever asks joins a read under way',
  'share at one position': 'a read that began before a revocation was applied is joined',
  'a use changes only what is remembered':
    'a session that was used is remembered as it was recalled, moved on',
  'slide only what lives': 'a slide writes the session back as it was remembered',
  'a slide is not remembered': 'what a slide has written is remembered',
  'positions in commit order': 'positions are given out before the commit',
  'see the gap': 'a node reads on, whatever was pruned',
  'a repeated revocation waits': 'who finds the session dead already returns at once',
  'an unknown node registers': 'a renewal that finds no row of its node counts',
} as const satisfies Record<string, string>

export type Rule = keyof typeof rules

/** What has to happen in the world for the loss of a rule to show; the least is a node, a session and its revocation. */
export const needed: { readonly [R in Rule]?: Partial<World> } = {
  'an answer later than S gives no lease': { lease: 3 },
  'only a renewal gives a lease': { lease: 3 },
  'T before what is seen': { lease: 3 },
  'a margin for drift': { drift: true },
  'both clocks': { suspend: true },
  'a use changes only what is remembered': { slides: true },
  'slide only what lives': { slides: true },
  'a slide is not remembered': { slides: true },
  'positions in commit order': { other: true },
  'see the gap': { pruning: true },
  'an unknown node registers': { pruning: true },
}
