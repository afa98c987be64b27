// What was told in the last minutes, in rings that never grow, and the rates that come of it.

export const WINDOW_MS = 5 * 60_000;
/** One sample a second, and room for gaps. */
const ROWS = 330;
/** Names come from the gateway; a bound all the same. */
const SERIES_MAX = 160;
/** A clock that goes back by more than so much was set. */
const JITTER_MS = 5_000;
/** Round trips are told by what was measured in so many seconds before. */
export const ROUND_TRIP_WINDOW = 30;

export class History {
  #series = new Map();
  #at = new Float64Array(ROWS).fill(NaN);
  #next = 0;
  length = 0;

  /** Adds a row: values by name, and none for whoever is not named. */
  push(at, values) {
    // What was told by another clock has no place beside what comes.
    if (this.length > 0 && at < this.at(this.length - 1) - JITTER_MS) this.length = 0;
    const row = this.#next;
    this.#at[row] = at;
    for (const ring of this.#series.values()) ring[row] = NaN;
    for (const [name, value] of Object.entries(values)) {
      let ring = this.#series.get(name);
      if (!ring && this.#series.size < SERIES_MAX) {
        ring = new Float64Array(ROWS).fill(NaN);
        this.#series.set(name, ring);
      }
      if (ring && typeof value === "number") ring[row] = value;
    }
    this.#next = (row + 1) % ROWS;
    this.length = Math.min(ROWS, this.length + 1);
  }

  /** The row where nothing is known, so that no line is drawn over a time that nobody saw. */
  gap(at) {
    if (this.length > 0) this.push(at, {});
  }

  #row(index) {
    return (this.#next - this.length + index + ROWS) % ROWS;
  }

  at(index) {
    return this.#at[this.#row(index)];
  }

  value(name, index) {
    const ring = this.#series.get(name);
    return ring ? ring[this.#row(index)] : NaN;
  }

  /** The names that begin so. */
  names(prefix) {
    return [...this.#series.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  /** The row that is nearest to a time, or -1. */
  nearest(time) {
    let best = -1;
    for (let index = 0; index < this.length; index += 1) {
      if (best < 0 || Math.abs(this.at(index) - time) < Math.abs(this.at(best) - time)) best = index;
    }
    return best;
  }

  /** The sum of what was counted from a time on, and before another. */
  sum(name, since, until = Infinity) {
    let sum = 0;
    for (let index = 0; index < this.length; index += 1) {
      const [at, value] = [this.at(index), this.value(name, index)];
      if (at >= since && at < until && Number.isFinite(value)) sum += value;
    }
    return sum;
  }
}

const total = (counts) => Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);

/** Turns totals into rates, one sample after the other. */
export class Rates {
  #before = null;
  /** The buckets of the last samples, for the quantiles. */
  #trips = [];

  /** Another run of the gateway, or a time without a connection: what comes next has no predecessor. */
  forget() {
    this.#before = null;
    this.#trips = [];
  }

  /** The row for the history. */
  next(sample) {
    const before = this.#before;
    this.#before = sample;
    const { gauges = {}, counters = {} } = sample;
    const row = {
      connections: gauges.connections,
      users: gauges.online_users,
      memory: gauges.memory_rss,
      pending: sample.broker?.pending,
      up: sample.broker ? Number(sample.broker.up) : undefined,
    };
    // Not by the time of day, which may be set.
    const seconds = before ? (sample.uptimeMs - before.uptimeMs) / 1000 : 0;
    // Without a predecessor, or with one of another run.
    if (!(seconds > 0)) {
      this.#trips = [sample.round_trips?.buckets];
      return row;
    }
    const grown = (name) => Math.max(0, counters[name] - before.counters[name]);
    const rate = (name) => grown(name) / seconds;
    row.in = rate("messages_received");
    row.out = rate("messages_delivered");
    row.published = rate("published");
    // Without a publish there is no fan-out: a ratio of nothing is nothing.
    row.fanout = grown("published") > 0 ? grown("messages_delivered") / grown("published") : NaN;
    row.bytesIn = rate("received_bytes");
    row.bytesOut = rate("sent_bytes");
    const plain = grown("compression_before");
    row.ratio = plain > 0 ? (100 * grown("compression_after")) / plain : NaN;
    row.cpu = rate("cpu_us") / 10_000;
    this.#counted(row, "end:", sample.ends, before.ends);
    this.#counted(row, "error:", sample.errors, before.errors);
    this.#counted(row, "refused:", sample.rejections, before.rejections);
    row["refused:messages dropped"] = grown("rate_limited");
    this.#brokerRates(row, sample.broker, before.broker, seconds);
    this.#quantiles(row, sample.round_trips?.buckets);
    return row;
  }

  #counted(row, prefix, now = {}, before = {}) {
    for (const [label, value] of Object.entries(now)) row[prefix + label] = Math.max(0, value - (before[label] ?? 0));
  }

  #brokerRates(row, now, before, seconds) {
    if (!now || !before) return;
    const rate = (name) => Math.max(0, total(now[name]) - total(before[name])) / seconds;
    row.publishes = rate("publishes");
    row.appends = rate("appends");
    row.brokerErrors = rate("errors");
  }

  #quantiles(row, buckets) {
    if (!buckets) return;
    this.#trips.push(buckets);
    if (this.#trips.length > ROUND_TRIP_WINDOW + 1) this.#trips.shift();
    const grown = difference(buckets, this.#trips[0]);
    row.trips = grown.at(-1)?.[1] ?? 0;
    row.p50 = quantile(grown, 0.5) * 1000;
    row.p99 = quantile(grown, 0.99) * 1000;
  }
}

function difference(now, before) {
  return now.map(([bound, count], index) => [bound, count - (before?.[index]?.[1] ?? 0)]);
}

/**
 * The value under which so much of what was counted lies, from cumulative buckets `[bound, count]`, taken as evenly spread
 * within each. What lies beyond the last finite bound is told as that bound.
 */
export function quantile(buckets, share) {
  const all = buckets.at(-1)?.[1] ?? 0;
  if (!(all > 0)) return NaN;
  const rank = share * all;
  let [lower, below] = [0, 0];
  for (const [bound, count] of buckets) {
    // JSON has no infinity: the last bound is null, a word, or not there.
    const upper = typeof bound === "number" ? bound : Infinity;
    if (count >= rank && count > below) {
      return upper === Infinity ? lower : lower + ((upper - lower) * (rank - below)) / (count - below);
    }
    [lower, below] = [upper, count];
  }
  return lower;
}
