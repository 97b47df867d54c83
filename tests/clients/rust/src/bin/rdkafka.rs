//! rust-rdkafka, with the librdkafka that it builds. Verbs and steps: ../../../doc.go.

use std::time::Duration;

use clients::{check, records, step, time_of, Record, Result, CODECS, PARTITIONS, PER_CODEC, TOTAL};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const VERSION: &str = "0.39.0";
const WAIT: Duration = Duration::from_secs(30);

fn config(bootstrap: &str) -> ClientConfig {
    let mut c = ClientConfig::new();
    c.set("bootstrap.servers", bootstrap);
    c
}

fn admin(bootstrap: &str) -> Result<AdminClient<DefaultClientContext>> {
    Ok(config(bootstrap).create()?)
}

async fn create(bootstrap: &str, topic: &str) -> Result<()> {
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    for outcome in admin(bootstrap)?.create_topics([&new], &AdminOptions::new()).await? {
        outcome.map_err(|(_, code)| code.to_string())?;
    }
    Ok(())
}

async fn produce(bootstrap: &str, topic: &str, codec: usize) -> Result<()> {
    let producer: FutureProducer = config(bootstrap).set("compression.type", CODECS[codec]).set("enable.idempotence", "true").create()?;
    let batch = records(codec * PER_CODEC, PER_CODEC);
    let sent = batch.iter().map(|r| {
        let headers = OwnedHeaders::new()
            .insert(Header { key: "codec", value: Some(&r.codec) })
            .insert(Header { key: "empty", value: Some("") });
        producer
            .send_result(FutureRecord::to(topic).key(&r.key).payload(&r.value).partition(r.partition).timestamp(r.time).headers(headers))
            .map_err(|(e, _)| e)
    });
    for delivery in sent.collect::<Vec<_>>() {
        delivery?.await?.map_err(|(e, _)| e)?;
    }
    Ok(())
}

fn consumer(bootstrap: &str, group: &str) -> Result<StreamConsumer> {
    let mut c = config(bootstrap);
    c.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    c.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "1000");
    Ok(c.create()?)
}

fn record(m: &BorrowedMessage) -> Result<Record> {
    let text = |b: Option<&[u8]>| String::from_utf8(b.unwrap_or_default().to_vec());
    let header = |name| m.headers().and_then(|h| h.iter().find(|h| h.key == name).and_then(|h| h.value));
    Ok(Record {
        key: text(m.key())?,
        value: text(m.payload())?,
        partition: m.partition(),
        time: m.timestamp().to_millis().unwrap_or(-1),
        codec: text(header("codec"))?,
        empty: header("empty").map(|b| String::from_utf8(b.to_vec())).transpose()?,
    })
}

async fn take(c: &StreamConsumer, count: usize) -> Result<Vec<Record>> {
    let mut got = vec![];
    while got.len() < count {
        got.push(record(&tokio::time::timeout(WAIT, c.recv()).await??)?);
    }
    Ok(got)
}

/// Reads count records as a member of a group, commits what was read, and leaves.
async fn read_some(bootstrap: &str, topic: &str, group: &str, count: usize) -> Result<Vec<Record>> {
    let c = consumer(bootstrap, group)?;
    c.subscribe(&[topic])?;
    let got = take(&c, count).await?;
    c.commit_consumer_state(CommitMode::Sync)?;
    Ok(got)
}

async fn resume(bootstrap: &str, topic: &str, group: &str) -> Result<()> {
    let mut got = read_some(bootstrap, topic, group, TOTAL / 3).await?;
    got.extend(read_some(bootstrap, topic, group, TOTAL - got.len()).await?);
    check(&got, 0)
}

async fn seek(bootstrap: &str, topic: &str) -> Result<()> {
    let c = consumer(bootstrap, "by-time")?;
    let mut times = TopicPartitionList::new();
    for p in 0..PARTITIONS {
        times.add_partition_offset(topic, p, Offset::Offset(time_of(TOTAL / 2)))?;
    }
    c.assign(&c.offsets_for_times(times, WAIT)?)?;
    check(&take(&c, TOTAL - TOTAL / 2).await?, TOTAL / 2)
}

async fn delete(bootstrap: &str, topic: &str) -> Result<()> {
    let admin = admin(bootstrap)?;
    for outcome in admin.delete_topics(&[topic], &AdminOptions::new()).await? {
        outcome.map_err(|(_, code)| code.to_string())?;
    }
    while admin.inner().fetch_metadata(None, WAIT)?.topics().iter().any(|t| t.name() == topic) {
        tokio::time::sleep(Duration::from_millis(100)).await; // brokers hear of it one after the other
    }
    Ok(())
}

async fn member(bootstrap: &str, topic: &str, group: &str) -> Result<()> {
    let c = consumer(bootstrap, group)?;
    c.subscribe(&[topic])?;
    loop {
        let m = c.recv().await?;
        println!("got {}", String::from_utf8_lossy(m.payload().unwrap_or_default()));
        if let Err(e) = c.commit_message(&m, CommitMode::Sync) {
            println!("commit {e}"); // a rebalance took the partition away: whoever gets it reads on from the last commit
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<&str> = std::env::args().map(|a| &*a.leak()).collect();
    let (bootstrap, topic) = (args[2], args[3]);
    match args[1] {
        "write" => {
            println!("version {VERSION} (librdkafka {})", rdkafka::util::get_rdkafka_version().1);
            step("create", create(bootstrap, topic)).await;
            for (codec, name) in CODECS.iter().enumerate() {
                step(format!("produce {name}"), produce(bootstrap, topic, codec)).await;
            }
        }
        "member" => member(bootstrap, topic, args[4]).await?,
        _ => {
            let all = format!("{}-all", args[4]);
            step("consume", async { check(&read_some(bootstrap, topic, &all, TOTAL).await?, 0) }).await;
            step("resume", resume(bootstrap, topic, args[4])).await;
            step("seek", seek(bootstrap, topic)).await;
            step("delete", delete(bootstrap, topic)).await;
        }
    }
    Ok(())
}
