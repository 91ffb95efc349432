/**
 * Draws ranks from 0 to `population` − 1, the rank r with a probability in proportion to 1 / (r + 1)^`exponent`.
 * It always draws the same ones, so that two runs ask alike.
 */
export function createZipf(population: number, exponent: number): () => number {
  const sums = new Float64Array(population)
  let sum = 0
  for (let rank = 0; rank < population; rank++) sums[rank] = sum += (rank + 1) ** -exponent
  const random = createRandom(1)
  return () => {
    const wanted = random() * sum
    let [low, high] = [0, population - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
