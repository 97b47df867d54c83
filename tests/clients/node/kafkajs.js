// kafkajs, with the codecs that its documentation names. Verbs and steps: ../doc.go.
'use strict'
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs')
const { run } = require('./steps')
const { queue } = require('./transactions')

const LZ4 = require('kafkajs-lz4')
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = new LZ4().codec
const types = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4' }

const session = { sessionTimeout: 6000, heartbeatInterval: 1000 }
const fields = (m, partition) => ({
  key: `${m.key}`, value: `${m.value}`, time: Number(m.timestamp), partition, codec: `${m.headers.codec}`, empty: `${m.headers.empty}`
})

run(brokers => {
  const kafka = new Kafka({ brokers, logLevel: logLevel.ERROR })

  const withAdmin = async work => {
    const admin = kafka.admin()
    await admin.connect()
    try { return await work(admin) } finally { await admin.disconnect() }
  }

  // take runs a consumer until it has count records, and gives them with the offsets after them.
  const take = (consumer, topic, count, started = () => {}) => new Promise((resolve, reject) => {
    const got = []; const next = new Map()
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (got.length === count) return
        got.push(fields(message, partition))
        next.set(partition, String(Number(message.offset) + 1))
        if (got.length === count) resolve({ got, next: [...next].map(([partition, offset]) => ({ topic, partition, offset })) })
      }
    }).then(started).catch(reject)
  })

  return {
    version: require('kafkajs/package.json').version,
    codecs: Object.keys(types),
    without: { zstd: 'it has no such codec, nor has Node 20' },

    create: (topic, numPartitions) => withAdmin(a => a.createTopics({
      topics: [{ topic, numPartitions, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: '-1' }] }]
    })),

    async produce (topic, codec, records) {
      const producer = kafka.producer({ idempotent: true })
      await producer.connect()
      const messages = records.map(r => ({ key: r.key, value: r.value, partition: r.partition, timestamp: String(r.time), headers: { codec: r.codec, empty: r.empty } }))
      await producer.send({ topic, acks: -1, compression: CompressionTypes[types[codec]], messages })
      await producer.disconnect()
    },

    async read (topic, groupId, count) {
      const consumer = kafka.consumer({ groupId, ...session })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      const { got, next } = await take(consumer, topic, count)
      await consumer.commitOffsets(next)
      await consumer.disconnect()
      return got
    },

    async seek (topic, time, count) {
      const from = await withAdmin(a => a.fetchTopicOffsetsByTimestamp(topic, time))
      const consumer = kafka.consumer({ groupId: `${topic}-by-time`, ...session })
      await consumer.connect()
      await consumer.subscribe({ topic })
      const { got } = await take(consumer, topic, count, () => from.forEach(f => consumer.seek({ topic, ...f })))
      await consumer.disconnect()
      return got
    },

    remove: topic => withAdmin(a => a.deleteTopics({ topics: [topic] })),

    list: () => withAdmin(a => a.listTopics()),

    async member (topic, groupId) {
      const consumer = kafka.consumer({ groupId, ...session })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      // It commits by itself what was handled.
      await consumer.run({ autoCommitThreshold: 1, eachMessage: async ({ message }) => console.log('got', `${message.value}`) })
    },

    transactions: {
      async producer (transactionalId, transactionTimeout) {
        const p = kafka.producer({ transactionalId, transactionTimeout, idempotent: true, maxInFlightRequests: 1 })
        await p.connect()
        let transaction
        return {
          async send (topic, messages) {
            transaction = await p.transaction()
            await transaction.send({ topic, acks: -1, messages })
          },
          offsets: source => transaction.sendOffsets({ consumerGroupId: source.groupId, topics: source.offsets() }),
          end: commit => commit ? transaction.commit() : transaction.abort(),
          close: () => p.disconnect()
        }
      },

      async source (topic, groupId) { // readUncommitted is false by default
        const consumer = kafka.consumer({ groupId, ...session })
        const records = queue()
        await consumer.connect()
        await consumer.subscribe({ topic, fromBeginning: true })
        await consumer.run({
          autoCommit: false,
          eachMessage: async ({ partition, message }) => records.put({ partition, offset: message.offset, value: `${message.value}` })
        })
        return {
          groupId,
          take: records.take,
          offsets: () => [{ topic, partitions: [...records.next].map(([partition, offset]) => ({ partition, offset })) }],
          close: () => consumer.disconnect()
        }
      },

      fenced: e => ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'].find(type => type === e.type)
    }
  }
})
