// amqplib on Node.js, with its promise API: a confirm channel, a consumer that acks, and `noDelay`,
// without which a publish waits up to 40 ms for the broker's TCP to acknowledge the one before.
//
// Receives a task (benchmarks/task.py) on its command line, prints an answer. It parses the JSON
// of a body; there is no model to check it against.

'use strict';

const { readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { randomUUID } = require('node:crypto');
const amqplib = require('amqplib');

const task = JSON.parse(process.argv[2]);
const now = () => Number(process.hrtime.bigint()) / 1e9;

function orders() {
  const order = (number, note) => ({
    order_id: String(number).padStart(32, '0'),
    customer_email: 'somebody@example.org',
    total: '19.90',
    note,
  });
  const note = 'x'.repeat(task.size - JSON.stringify(order(0, '')).length);
  return Array.from({ length: task.count }, (_, number) => order(number, note));
}

// Counts what is handled; measures from the first to the last.
class Tally {
  constructor() {
    this.left = task.count;
    this.isOver = new Promise((resolve) => { this.resolve = resolve; });
  }

  count() {
    if (this.left === task.count) this.began = now();
    if (--this.left === 0) {
      this.ended = now();
      this.resolve();
    }
  }
}

async function connected(work) {
  const connection = await amqplib.connect(task.url, { noDelay: true });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

// False when the buffer is full. Calls back once the broker has confirmed.
function send(channel, order, key, confirmed) {
  const options = { contentType: 'application/json', persistent: true, mandatory: true, messageId: randomUUID(), type: key };
  return channel.publish(task.exchange, key, Buffer.from(JSON.stringify(order)), options, confirmed);
}

// Resolves once the broker has confirmed.
function publish(channel, order, key) {
  return new Promise((resolve, reject) => {
    send(channel, order, key, (error) => { if (error) reject(error); else resolve(); });
  });
}

// `handle` gets an order and a function that acks it. Closing the channel sends what acks wait.
async function consume(connection, queue, handle) {
  const channel = await connection.createChannel();
  await channel.prefetch(task.prefetch);
  await channel.consume(queue, (message) => {
    handle(JSON.parse(message.content.toString()), () => channel.ack(message));
  });
  return channel;
}

async function inWindow(channel) {
  const left = orders()[Symbol.iterator]();
  const oneAfterAnother = async () => {
    for (const order of left) await publish(channel, order, task.key);
  };
  const began = now();
  await Promise.all(Array.from({ length: task.window }, oneAfterAnother));
  return { count: task.count, began, ended: now() };
}

const works = {
  publish: () => connected(async (connection) => inWindow(await connection.createConfirmChannel())),

  // As its documentation says: publish until the buffer is full, go on once it has drained.
  many: () => connected(async (connection) => {
    const channel = await connection.createConfirmChannel();
    const messages = orders();
    const began = now();
    for (const order of messages) {
      if (!send(channel, order, task.key)) {
        await new Promise((resolve) => { channel.once('drain', resolve); });
      }
    }
    await channel.waitForConfirms();
    return { count: task.count, began, ended: now() };
  }),

  consume: () => connected(async (connection) => {
    const tally = new Tally();
    const channel = await consume(connection, task.queue, (_, ack) => { ack(); tally.count(); });
    await tally.isOver;
    await channel.close();
    return { count: task.count - 1, began: tally.began, ended: tally.ended };
  }),

  round_trip: () => connected((asking) => connected(async (answering) => {
    const [questions, answers] = [new Tally(), new Tally()];
    const outgoing = await answering.createConfirmChannel();
    await consume(answering, task.queue, async (order, ack) => {
      await publish(outgoing, order, task.answer_key);
      ack();
      questions.count();
    });
    await consume(asking, task.answer_queue, (_, ack) => { ack(); answers.count(); });
    const { count, began } = await inWindow(await asking.createConfirmChannel());
    await Promise.all([questions.isOver, answers.isOver]);
    return { count, began, ended: answers.ended };
  })),

  latency: () => connected(async (connection) => {
    const tally = new Tally();
    const messages = orders();
    const [published, confirmed, waits] = [[], [], []];
    const channel = await connection.createConfirmChannel();
    await consume(connection, task.queue, (order, ack) => {
      waits.push((now() - published[Number(order.order_id)]) * 1000);
      ack();
      tally.count();
    });
    const began = now();
    const due = () => {
      while (published.length < task.count && began + published.length / task.rate <= now()) {
        published.push(now());
        confirmed.push(publish(channel, messages[published.length - 1], task.key));
      }
      if (published.length < task.count) setTimeout(due, 1);
    };
    due();
    await tally.isOver;
    await Promise.all(confirmed);
    return { count: task.count, began: tally.began, ended: tally.ended, waits };
  }),
};

// In MB: the high-water mark of this program alone (proc(5)).
function peakMemory() {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024 / 1e6;
  } catch {
    return 0;
  }
}

function fail(error) {
  console.error(`${error}`);
  process.exit(1);
}

process.on('unhandledRejection', fail);
works[task.action]().then((measured) => {
  const { version } = JSON.parse(readFileSync(join(dirname(require.resolve('amqplib')), 'package.json')));
  console.log(JSON.stringify({ waits: [], ...measured, version, peak: peakMemory() }));
}).catch(fail);
