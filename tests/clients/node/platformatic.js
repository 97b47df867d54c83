// @platformatic/kafka. Verbs and steps: ../doc.go.
'use strict'
const { Admin, Consumer, Producer, stringDeserializers, stringSerializers } = require('@platformatic/kafka')
const { run } = require('./steps')

const session = { sessionTimeout: 6000, heartbeatInterval: 1000 }

run(bootstrapBrokers => {
  const base = { clientId: 'clients', bootstrapBrokers }

  const withAdmin = async work => {
    const admin = new Admin(base)
    try { return await work(admin) } finally { await admin.close() }
  }

  const connect = groupId => new Consumer({ ...base, groupId, ...session, autocommit: false, deserializers: stringDeserializers })

  // take reads count records of a stream, and gives them with the offsets after them.
  const take = async (stream, topic, count) => {
    const got = []; const next = new Map()
    for await (const m of stream) {
      got.push({ key: m.key, value: m.value, time: Number(m.timestamp), partition: m.partition, codec: m.headers.get('codec'), empty: m.headers.get('empty') })
      next.set(m.partition, m.offset + 1n)
      if (got.length === count) break
    }
    return { got, next: [...next].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: 0 })) }
  }

  return {
    version: require('./package.json').dependencies['@platformatic/kafka'],
    codecs: ['none', 'gzip', 'snappy', 'lz4'],
    without: { zstd: 'it needs Node 22' },

    create: (topic, partitions) => withAdmin(a => a.createTopics({
      topics: [topic], partitions, replicas: 1, configs: [{ name: 'retention.ms', value: '-1' }]
    })),

    async produce (topic, compression, records) {
      const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true })
      const messages = records.map(r => ({ topic, key: r.key, value: r.value, partition: r.partition, timestamp: BigInt(r.time), headers: { codec: r.codec, empty: r.empty } }))
      await producer.send({ messages, compression })
      await producer.close()
    },

    async read (topic, groupId, count) {
      const consumer = connect(groupId)
      const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
      const { got, next } = await take(stream, topic, count)
      await consumer.commit({ offsets: next })
      await consumer.close(true)
      return got
    },

    async seek (topic, time, count) {
      const consumer = connect(`${topic}-by-time`)
      const found = await consumer.listOffsetsWithTimestamps({ topics: [topic], timestamp: BigInt(time) })
      const offsets = [...found.get(topic)].map(([partition, at]) => ({ topic, partition, offset: at.offset }))
      const { got } = await take(await consumer.consume({ topics: [topic], mode: 'manual', offsets }), topic, count)
      await consumer.close(true)
      return got
    },

    remove: topic => withAdmin(a => a.deleteTopics({ topics: [topic] })),

    list: () => withAdmin(a => a.listTopics()),

    async member (topic, groupId) {
      const stream = await connect(groupId).consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
      for await (const m of stream) {
        console.log('got', m.value)
        try {
          await m.commit()
        } catch (e) { // a rebalance took the partition away: whoever gets it reads on from the last commit
          console.log('commit', e.message)
        }
      }
    },

    transactions: {
      once: 'a second producer of an id says that it has producer 0, which Apache Kafka refuses too',

      async producer (transactionalId, timeout) { // the time-out of requests is that of transactions
        const p = new Producer({ ...base, serializers: stringSerializers, transactionalId, idempotent: true, timeout, retries: 3 })
        let transaction
        return {
          async send (topic, values) {
            transaction = await p.beginTransaction()
            await transaction.send({ messages: values.map(v => ({ topic, ...v })) })
          },
          async offsets (source) {
            await transaction.addConsumer(source.consumer)
            for (const m of source.last.values()) await transaction.addOffset(m)
          },
          end: commit => commit ? transaction.commit() : transaction.abort(),
          close: () => p.close()
        }
      },

      async source (topic, groupId) { // read_committed is the default
        const consumer = connect(groupId)
        const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
        const records = stream[Symbol.asyncIterator]()
        const last = new Map()
        return {
          consumer,
          last,
          async take () { // one is enough: each is a transaction then
            const m = (await records.next()).value
            last.set(m.partition, m)
            return [{ partition: m.partition, value: m.value }]
          },
          close: () => consumer.close(true)
        }
      },

      fenced: e => e.findBy?.('apiId', 'INVALID_PRODUCER_EPOCH')?.apiId ?? e.findBy?.('apiId', 'PRODUCER_FENCED')?.apiId
    }
  }
})
