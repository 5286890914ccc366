// Sign-ins for tests, one by path, that refuse everybody; each request is written down with its body.
//   node login_server.mjs PORT requests.log
// /limits: 429 from the eleventh of one address; /both: locks after five as well (423); /locks: after five, told by its text alone, never 429;
// /late: 429 from the fifteenth; /neither; /accepts: 200; /hangs: no answer to the third; /form: a redirect, as forms answer.
import { createServer } from 'node:http';
import { appendFileSync } from 'node:fs';

const [port, log] = process.argv.slice(2);
const seen = {};
const answers = {
    '/limits': n => n > 10 ? [429, 'slow down', { 'retry-after': '60' }] : [401, 'wrong'],
    '/both': n => n > 10 ? [429, 'slow down'] : n > 5 ? [423, 'locked'] : [401, 'wrong'],
    '/locks': n => n > 5 ? [401, '{"error":"This account is locked"}'] : [401, '{"error":"wrong"}'],
    '/late': n => n > 14 ? [429, 'slow down'] : [401, 'wrong'],
    '/neither': () => [401, 'wrong'],
    '/accepts': () => [200, 'welcome'],
    '/hangs': n => n > 2 ? null : [401, 'wrong'],
    '/form': n => n > 10 ? [429, 'slow down'] : [302, '', { location: '/form?error' }],
};
createServer((request, response) => {
    let body = '';
    request.on('data', part => body += part);
    request.on('end', () => {
        const path = request.url.replace(/\?.*/, '');
        appendFileSync(log, `${request.method} ${path} ${request.headers['content-type'] ?? '-'} ${body}\n`);
        if (request.method === 'GET') return response.writeHead(405).end();
        const answer = answers[path]?.(seen[path] = (seen[path] ?? 0) + 1);
        if (answer) response.writeHead(answer[0], answer[2] ?? {}).end(answer[1]);
    });
}).listen(Number(port), '127.0.0.1');
