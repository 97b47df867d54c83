// Produces and consumes with kafka-rest, Confluent's library for version 1 of its proxy, as it is.
"use strict";

const Client = require(process.argv[2] + "/node_modules/kafka-rest");
const [url, topic, count] = [process.argv[3], process.argv[4], Number(process.argv[5])];
const client = new Client({ url });

function fail(what) {
    return (err, res) => {
        if (err) {
            console.error(what, String(err));
            process.exit(1);
        }
        return res;
    };
}

client.brokers.list((err, brokers) => {
    fail("brokers")(err);
    console.log("brokers=" + brokers.length);
    client.topics.get(topic, (err, found) => {
        fail("topic")(err);
        console.log("partitions=" + found.raw.partitions.length);
        const messages = [];
        for (let i = 0; i < count; i++) messages.push({ key: "k" + i, value: "value " + i });
        client.topic(topic).produce(messages, (err, res) => {
            fail("produce")(err);
            console.log("offsets=" + res.offsets.filter((o) => o.offset !== null).length);
            consume();
        });
    });
});

function consume() {
    client.consumer("node").join({ format: "binary", "auto.offset.reset": "smallest" }, (err, instance) => {
        fail("join")(err);
        const values = [];
        const stream = instance.subscribe(topic);
        stream.on("data", (messages) => {
            for (const m of messages) values.push(m.value.toString("utf8"));
            if (values.length < count) return;
            instance.commit((err) => {
                fail("commit")(err);
                console.log("read=" + values.length);
                console.log("same=" + (new Set(values).size === count && values.every((v) => v.startsWith("value "))));
                instance.shutdown(() => process.exit(0));
                setTimeout(() => process.exit(0), 5000);
            });
        });
        stream.on("error", (err) => fail("stream")(err));
    });
}
