// @confluentinc/kafka-javascript (librdkafka), with its API that looks like kafkajs. Verbs and steps: ../doc.go.
'use strict'
const rdkafka = require('@confluentinc/kafka-javascript')
const { run } = require('./steps')
const { queue } = require('./transactions')

const { Kafka, logLevel } = rdkafka.KafkaJS
const session = { sessionTimeout: 6000, heartbeatInterval: 1000 }
const fields = (m, partition) => ({
  key: `${m.key}`, value: `${m.value}`, time: Number(m.timestamp), partition, codec: `${m.headers.codec}`, empty: `${m.headers.empty}`
})

run(brokers => {
  const kafka = new Kafka({ kafkaJS: { brokers, logLevel: logLevel.ERROR } })

  const withAdmin = async work => {
    const admin = kafka.admin()
    await admin.connect()
    try { return await work(admin) } finally { await admin.disconnect() }
  }

  const connect = async (groupId, topic, own = {}) => {
    const consumer = kafka.consumer({ kafkaJS: { groupId, autoCommit: false, fromBeginning: true, ...session, ...own } })
    await consumer.connect()
    await consumer.subscribe({ topic })
    return consumer
  }

  // take runs a consumer until it has count records, and gives them with the offsets after them.
  const take = (consumer, topic, count, started = () => {}) => new Promise((resolve, reject) => {
    const got = []; const next = new Map()
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        if (got.length === count) return
        got.push(fields(message, partition))
        next.set(partition, String(Number(message.offset) + 1))
        if (got.length === count) resolve({ got, next: [...next].map(([partition, offset]) => ({ topic, partition, offset })) })
      }
    }).then(started).catch(reject)
  })

  return {
    version: `${require('@confluentinc/kafka-javascript/package.json').version} (librdkafka ${rdkafka.librdkafkaVersion})`,
    codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],

    create: (topic, numPartitions) => withAdmin(a => a.createTopics({
      topics: [{ topic, numPartitions, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: '-1' }] }]
    })),

    async produce (topic, codec, records) {
      const producer = kafka.producer({ kafkaJS: { idempotent: true, acks: -1, compression: codec } })
      await producer.connect()
      const messages = records.map(r => ({ key: r.key, value: r.value, partition: r.partition, timestamp: String(r.time), headers: { codec: r.codec, empty: r.empty } }))
      await producer.send({ topic, messages })
      await producer.disconnect()
    },

    async read (topic, groupId, count) {
      const consumer = await connect(groupId, topic)
      const { got, next } = await take(consumer, topic, count)
      await consumer.commitOffsets(next)
      await consumer.disconnect()
      return got
    },

    async seek (topic, time, count) {
      const from = await withAdmin(a => a.fetchTopicOffsetsByTimestamp(topic, time))
      const consumer = await connect(`${topic}-by-time`, topic, { fromBeginning: false })
      const { got } = await take(consumer, topic, count, () => from.forEach(f => consumer.seek({ topic, ...f })))
      await consumer.disconnect()
      return got
    },

    remove: topic => withAdmin(a => a.deleteTopics({ topics: [topic] })),

    list: () => withAdmin(a => a.listTopics()),

    async member (topic, groupId) {
      const consumer = await connect(groupId, topic)
      await consumer.run({
        eachMessage: async ({ partition, message }) => {
          console.log('got', `${message.value}`)
          try {
            await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }])
          } catch (e) { // a rebalance took the partition away: whoever gets it reads on from the last commit
            console.log('commit', e.message)
          }
        }
      })
    },

    transactions: {
      async producer (transactionalId, transactionTimeout) {
        const p = kafka.producer({ kafkaJS: { transactionalId, transactionTimeout, acks: -1 }, 'message.timeout.ms': transactionTimeout })
        await p.connect()
        let transaction
        return {
          async send (topic, messages) {
            transaction = await p.transaction()
            await transaction.send({ topic, messages })
          },
          offsets: source => transaction.sendOffsets({ consumer: source.consumer, topics: source.offsets() }),
          end: commit => commit ? transaction.commit() : transaction.abort(),
          close: () => p.disconnect()
        }
      },

      async source (topic, groupId) { // readUncommitted is false by default
        const consumer = await connect(groupId, topic)
        const records = queue()
        await consumer.run({ eachMessage: async ({ partition, message }) => records.put({ partition, offset: message.offset, value: `${message.value}` }) })
        return {
          consumer,
          take: records.take,
          offsets: () => [{ topic, partitions: [...records.next].map(([partition, offset]) => ({ partition, offset })) }],
          close: () => consumer.disconnect()
        }
      },

      fenced: e => ['ERR__FENCED', 'ERR_PRODUCER_FENCED', 'ERR_INVALID_PRODUCER_EPOCH'].find(type => type === e.type)
    }
  }
})
