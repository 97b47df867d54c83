// What the scripts of Node.js share: the records that every client writes, and how a step is
// told. See ../doc.go for the steps and their order.
'use strict'

const { transact } = require('./transactions')

const PER_CODEC = 200
const PARTITIONS = 6

const timeOf = n => 1_700_000_000_000 + n * 1000

// Record n as it is compared, all of it in a line.
const describe = r => [r.value, r.key, r.partition, r.time, r.codec, `[${r.empty}]`].join(' ')

const batch = (codecs, codec) => Array.from({ length: PER_CODEC }, (_, i) => {
  const n = codecs.indexOf(codec) * PER_CODEC + i
  return { key: `key-${n}`, value: `value-${n}`, partition: n % PARTITIONS, time: timeOf(n), codec, empty: '' }
})

// check wants all records from number first on, each once, as they were written.
function check (got, codecs, first = 0) {
  const want = codecs.flatMap(c => batch(codecs, c)).slice(first).map(describe).sort()
  const have = got.map(describe).sort()
  for (let i = 0; i < Math.max(have.length, want.length); i++) {
    if (have[i] !== want[i]) throw new Error(`${have.length} records, want ${want.length}; got ${have[i]}, want ${want[i]}`)
  }
}

// step tells how a step ended. The first that fails ends the script.
async function step (name, work) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('not done in 40 s')), 40_000).unref())
  let said
  try {
    said = await Promise.race([work(), late])
  } catch (e) {
    console.error(e)
    console.log(`FAIL ${name}: ${e}`.replaceAll('\n', ' '))
    process.exit(1)
  }
  console.log(typeof said === 'string' ? `ok ${name}: ${said}` : `ok ${name}`)
}

// run runs the steps of a verb with a client, which has: version, codecs, create(topic), produce(topic, codec, records),
// read(topic, group, count) as a member of a group that commits what it read and leaves, seek(topic, time, count),
// remove(topic), list() of all topics, member(topic, group) that runs until it is killed, and transactions (transactions.js).
async function run (connect) {
  const [verb, servers, topic, group] = process.argv.slice(2)
  const c = connect(servers.split(','))
  const total = PER_CODEC * c.codecs.length
  if (verb === 'member') return c.member(topic, group)
  if (verb === 'transact') {
    await transact(step, c.transactions, topic, group)
    process.exit(0)
  }
  if (verb === 'write') {
    console.log('version', c.version)
    await step('create', () => c.create(topic, PARTITIONS))
    for (const codec of c.codecs) await step(`produce ${codec}`, () => c.produce(topic, codec, batch(c.codecs, codec)))
    for (const [codec, why] of Object.entries(c.without ?? {})) console.log(`skip produce ${codec}: ${why}`)
  } else {
    await step('consume', async () => check(await c.read(topic, `${group}-all`, total), c.codecs))
    await step('resume', async () => {
      const third = await c.read(topic, group, Math.floor(total / 3))
      check(third.concat(await c.read(topic, group, total - third.length)), c.codecs)
    })
    await step('seek', async () => check(await c.seek(topic, timeOf(total / 2), total / 2), c.codecs, total / 2))
    await step('delete', async () => {
      await c.remove(topic)
      // Brokers hear of it one after the other; the step's own limit ends this.
      while ((await c.list()).includes(topic)) await new Promise(resolve => setTimeout(resolve, 100))
    })
  }
  process.exit(0)
}

module.exports = { run }
