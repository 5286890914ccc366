// Puts real BullMQ queues into a Redis: what healthy and faulty ones look like.
//   node queues_bullmq.cjs URL plant [PREFIX]     plants and ends
//   node queues_bullmq.cjs URL grow QUEUE         adds 20 jobs a second until it is killed
//   node queues_bullmq.cjs URL hold QUEUE NAME    a worker that takes one job and keeps it until it is killed
const { Queue, Worker } = require("bullmq");

const [url, act, ...rest] = process.argv.slice(2);
const port = Number(new URL(url).port);
const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
const good = { attempts: 3, backoff: { type: "exponential", delay: 1000 }, removeOnComplete: { count: 100 } };

const queue = (name, prefix = "bull") => new Queue(name, { connection, prefix });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Runs a worker until `finished` jobs are done one way or the other.
async function work(name, processor, finished, prefix = "bull") {
  const worker = new Worker(name, processor, { connection, prefix, concurrency: 20 });
  let count = 0;
  await new Promise((done) => {
    const one = () => { if (++count >= finished) done(); };
    worker.on("completed", one);
    worker.on("failed", one);
  });
  await worker.close();
}

async function plant(prefix) {
  // Healthy: a few jobs done, a few waiting.
  const healthy = queue("pipeline-jobs", prefix);
  await healthy.addBulk([...Array(10).keys()].map((n) => ({ name: "segment", data: { tenant: "acme", n }, opts: good })));
  await work("pipeline-jobs", async () => "done", 10, prefix);
  await healthy.addBulk([...Array(5).keys()].map((n) => ({ name: "segment", data: { tenant: "acme", n }, opts: good })));
  await healthy.add("later", { tenant: "acme", n: 1 }, { ...good, delay: 3600000 });
  await healthy.close();
  if (prefix) return;

  // Deep: 620 wait, among them prioritized ones; a few without backoff, a few with too many attempts.
  const deep = queue("batch-jobs");
  await deep.addBulk([...Array(520).keys()].map((n) => ({ name: "score-batch", data: { id: n, api_key: "krn_SECRETKEY" }, opts: good })));
  await deep.addBulk([...Array(100).keys()].map((n) => ({ name: "urgent-batch", data: { id: String(n) }, opts: { ...good, priority: 3 } })));
  await deep.close();

  const retrain = queue("retrain-jobs");
  await retrain.addBulk([...Array(6).keys()].map((n) => ({ name: "retrain", data: { n }, opts: { attempts: 10, backoff: { type: "fixed", delay: 100 } } })));
  await retrain.addBulk([...Array(4).keys()].map((n) => ({ name: "evaluate", data: { n }, opts: good })));
  await retrain.close();

  // Failures of two kinds, and a decision among them.
  const failing = queue("dsar-jobs");
  await failing.addBulk([...Array(12).keys()].map((n) => ({ name: n === 3 ? "decision-replay" : "export", data: { tenant: n % 2 ? "acme" : "globex", customer: `c${n}` }, opts: { attempts: 1 } })));
  await work("dsar-jobs", async (job) => {
    if (job.data.customer === "c1") throw new Error('Validation failed: field "birthDate" of customer 4711 is missing');
    throw new Error(`connect ECONNREFUSED 10.0.0.${job.id}:5432 for krn_abcdef0123456789`);
  }, 12);
  await failing.close();

  // Paused, with jobs.
  const paused = queue("journey-jobs");
  await paused.pause();
  await paused.addBulk([...Array(3).keys()].map((n) => ({ name: "step", data: { n }, opts: good })));
  await paused.close();
}

async function main() {
  if (act === "plant") {
    await plant(rest[0]);
    process.exit(0);
  } else if (act === "grow") {
    const growing = queue(rest[0]);
    for (;;) {
      await growing.add("grown", { at: Date.now() }, good);
      await pause(50);
    }
  } else if (act === "hold") {
    await queue(rest[0]).add(rest[1], { n: 1 }, good);
    new Worker(rest[0], () => new Promise(() => {}), { connection });
  }
}
main().catch((error) => { console.error(error); process.exit(1); });
