// The steps of transactions, which the scripts share: see ../doc.go. A client gives:
//
//   producer(id, timeoutMs)  send(topic, values) begins a transaction and waits for all, offsets(source), end(commit), close()
//   source(topic, group)     a member of a group, read_committed: take(count) gives [{ partition, value }], close()
//   fenced(error)            the name of the error of a fenced producer, or undefined
//   once                     why there can be one producer of an id, ever; empty for most
'use strict'
const PER_STEP = 60
const INPUT = 120
const PARTITIONS = 6

const values = prefix => Array.from({ length: PER_STEP }, (_, n) => ({ partition: n % PARTITIONS, value: `${prefix}-${n}` }))

async function transact (step, client, topic, group) {
  const want = []
  let producers = 0

  const producer = (name = 'id', timeoutMs = 60_000) => client.producer(`${topic}-${name}${client.once ? producers++ : ''}`, timeoutMs)

  const write = async (p, prefix) => {
    want.push(...values(prefix).map(v => v.value))
    await p.send(topic, values(prefix))
    await p.end(true)
  }

  // visible: what was committed is read, and nothing else.
  const visible = async () => {
    const source = await client.source(topic, `${topic}-${process.hrtime.bigint()}`)
    const got = []
    while (got.length < want.length) got.push(...(await source.take(want.length - got.length)).map(v => v.value))
    await source.close()
    const odd = got.filter(v => !want.includes(v))
    if (odd.length > 0 || new Set(got).size !== want.length) throw new Error(`read ${got.length} records, among them ${odd.slice(0, 3)}`)
  }

  const committed = async prefix => {
    const p = await producer()
    await write(p, prefix)
    await p.close()
    await visible()
  }

  // refused gives the error that a fenced producer gets.
  const refused = async zombie => {
    try {
      await zombie.end(true)
    } catch (e) {
      const said = client.fenced(e)
      if (!said) throw e
      return said
    }
    throw new Error('the producer was not fenced')
  }

  await step('commit', () => committed('commit'))
  await step('abort', async () => {
    const p = await producer()
    await p.send(topic, values('abort'))
    await p.end(false)
    await write(p, 'after')
    await p.close()
    await visible()
  })
  const fenced = async () => {
    const first = await producer()
    await first.send(topic, values('zombie'))
    await committed('second')
    return refused(first)
  }
  if (client.once) {
    console.log(`skip fenced: ${client.once}`)
  } else {
    await step('fenced', fenced)
  }
  // What another commits cannot be read before the first has timed out.
  await step('timeout', async () => {
    const late = await producer('late', 2000)
    await late.send(topic, values('late'))
    await committed('past')
    return refused(late)
  })
  // The second transaction is aborted, and made anew from what is committed.
  await step('offsets', async () => {
    const p = await client.producer(group, 60_000)
    let source = await client.source(`${topic}-in`, group)
    for (let done = 0, number = 0; done < INPUT; number++) {
      const got = await source.take(Math.min(INPUT - done, INPUT / 6))
      await p.send(topic, got.map(v => ({ ...v, value: `out-${v.value}` })))
      await p.offsets(source)
      await p.end(number !== 1)
      if (number !== 1) {
        done += got.length
        continue
      }
      await source.close()
      source = await client.source(`${topic}-in`, group)
    }
    await source.close()
    await p.close()
  })
}

// queue holds what a client's callback gets until take asks for it, and the offsets after what was taken.
function queue () {
  const items = []; let wake = () => {}
  const next = new Map()
  return {
    next,
    put (item) { items.push(item); wake() },
    async take (count) {
      while (items.length === 0) await new Promise(resolve => { wake = resolve })
      const got = items.splice(0, count)
      for (const { partition, offset } of got) next.set(partition, String(BigInt(offset) + 1n))
      return got
    }
  }
}

module.exports = { transact, queue }
