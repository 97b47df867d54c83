//! rskafka, which has neither groups nor topic configs. Verbs and steps: ../../../doc.go.

use chrono::{DateTime, Utc};
use clients::{check, records, step, time_of, Record, Result, CODECS, PARTITIONS, PER_CODEC, TOTAL};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};

const VERSION: &str = "0.6.0";

fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).expect("a time")
}

async fn partition(client: &Client, topic: &str, p: i32) -> Result<PartitionClient> {
    Ok(client.partition_client(topic, p, UnknownTopicHandling::Retry).await?)
}

async fn produce(client: &Client, topic: &str, codec: usize) -> Result<()> {
    let compression =
        [Compression::NoCompression, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd][codec];
    for p in 0..PARTITIONS {
        let batch = records(codec * PER_CODEC, PER_CODEC).into_iter().filter(|r| r.partition == p);
        let batch = batch.map(|r| rskafka::record::Record {
            key: Some(r.key.into_bytes()),
            value: Some(r.value.into_bytes()),
            timestamp: time(r.time),
            headers: [("codec".to_string(), r.codec.into_bytes()), ("empty".to_string(), vec![])].into(),
        });
        partition(client, topic, p).await?.produce(batch.collect(), compression).await?;
    }
    Ok(())
}

/// Reads each partition from where it begins, or from a time, to its end.
async fn read(client: &Client, topic: &str, from: impl Fn() -> OffsetAt) -> Result<Vec<Record>> {
    let text = |b: Option<Vec<u8>>| String::from_utf8(b.unwrap_or_default());
    let mut got = vec![];
    for p in 0..PARTITIONS {
        let c = partition(client, topic, p).await?;
        let (mut next, end) = (c.get_offset(from()).await?, c.get_offset(OffsetAt::Latest).await?);
        while next < end {
            for r in c.fetch_records(next, 1..1_000_000, 1_000).await?.0 {
                next = r.offset + 1;
                let mut headers = r.record.headers;
                got.push(Record {
                    key: text(r.record.key)?,
                    value: text(r.record.value)?,
                    partition: p,
                    time: r.record.timestamp.timestamp_millis(),
                    codec: text(headers.remove("codec"))?,
                    empty: headers.remove("empty").map(String::from_utf8).transpose()?,
                });
            }
        }
    }
    Ok(got)
}

async fn delete(client: &Client, topic: &str) -> Result<()> {
    client.controller_client()?.delete_topic(topic, 30_000).await?;
    while client.list_topics().await?.iter().any(|t| t.name == topic) {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await; // brokers hear of it one after the other
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let (verb, topic) = (args[1].as_str(), args[3].as_str());
    let client = ClientBuilder::new(args[2].split(',').map(str::to_string).collect()).build().await?;
    if verb == "write" {
        println!("version {VERSION}");
        step("create", async { Ok(client.controller_client()?.create_topic(topic, PARTITIONS, 1, 30_000).await?) }).await;
        for (codec, name) in CODECS.iter().enumerate() {
            step(format!("produce {name}"), produce(&client, topic, codec)).await;
        }
        println!("skip group: rskafka has no consumer groups");
    } else {
        step("consume", async { check(&read(&client, topic, || OffsetAt::Earliest).await?, 0) }).await;
        println!("skip resume: rskafka has no consumer groups");
        let from = || OffsetAt::Timestamp(time(time_of(TOTAL / 2)));
        step("seek", async { check(&read(&client, topic, from).await?, TOTAL / 2) }).await;
        step("delete", delete(&client, topic)).await;
    }
    Ok(())
}
