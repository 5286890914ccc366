// A small RDS and CloudWatch for tests: answers of the shape in their API references, and every signature checked from scratch
// (Signature Version 4).  Prints "ready PORT"; a line per request to standard output, "METHOD ACTION STATUS".
import http from 'node:http';
import crypto from 'node:crypto';

const KEY = 'AKIATEST', SECRET = 'top/secret+key', GIB = 1024 ** 3, DAY = 86400000;
const sha = text => crypto.createHash('sha256').update(text).digest('hex');
const mac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();

function signed(request, body) {
        const found = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d+)\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)$/
                .exec(request.headers.authorization ?? '');
        if (!found || found[1] !== KEY) return null;
        const [, , date, region, service, names, signature] = found;
        const [path, query = ''] = request.url.split('?');
        const encode = text => encodeURIComponent(text).replace(/[!'()*]/g, c => '%' + c.charCodeAt(0).toString(16).toUpperCase());
        const pairs = query.split('&').filter(Boolean).map(pair => pair.split('=').map(decodeURIComponent));
        const canonical = pairs.map(([k, v = '']) => `${encode(k)}=${encode(v)}`).sort().join('&');
        const headers = names.split(';').map(name => `${name}:${request.headers[name].trim()}\n`).join('');
        const text = [request.method, path, canonical, headers, names, sha(body)].join('\n');
        const scope = `${date}/${region}/${service}/aws4_request`;
        const key = mac(mac(mac(mac('AWS4' + SECRET, date), region), service), 'aws4_request');
        const expected = mac(key, ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, sha(text)].join('\n')).toString('hex');
        return expected === signature ? { region, service, query: Object.fromEntries(pairs) } : null;
}

const error = (code, message) => `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>r</RequestId></ErrorResponse>`;

const instances = [
        { name: 'kaireon-prod', allocated: 100 },
        { name: 'kaireon-reports', allocated: 200, most: 1000 },
        { name: 'other-team', allocated: 20 },
        { name: 'kaireon-aurora', allocated: 1, engine: 'aurora-postgresql' },
];

function describe(query) {
        // Two a page, so that paging happens.
        const from = Number(query.Marker ?? 0), page = instances.slice(from, from + 2);
        const rows = page.map(i => `<DBInstance><DBInstanceIdentifier>${i.name}</DBInstanceIdentifier><Engine>${i.engine ?? 'postgres'}</Engine>` +
                `<EngineVersion>15.8</EngineVersion><DBInstanceClass>db.r6g.large</DBInstanceClass><DBInstanceStatus>available</DBInstanceStatus>` +
                `<MasterUsername>must-not-be-kept</MasterUsername><AllocatedStorage>${i.allocated}</AllocatedStorage>` +
                (i.most ? `<MaxAllocatedStorage>${i.most}</MaxAllocatedStorage>` : '') +
                `<StorageType>gp3</StorageType><MultiAZ>true</MultiAZ><StorageEncrypted>true</StorageEncrypted><BackupRetentionPeriod>7</BackupRetentionPeriod></DBInstance>`);
        const marker = from + 2 < instances.length ? `<Marker>${from + 2}</Marker>` : '';
        return `<DescribeDBInstancesResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><DescribeDBInstancesResult>${marker}<DBInstances>${rows.join('')}</DBInstances></DescribeDBInstancesResult></DescribeDBInstancesResponse>`;
}

function statistics(query) {
        const name = query['Dimensions.member.1.Value'];
        const start = Date.parse(query.StartTime), end = Date.parse(query.EndTime), points = [];
        for (let day = 0; day < 60; day++) {
                const at = end - (60 - day) * DAY;
                // kaireon-prod loses a gibibyte a day and has 12 left; kaireon-reports does not move.
                const free = name === 'kaireon-prod' ? (72 - day) * GIB : 120 * GIB + (day * 7919 % 13) * 1e6;
                if (at >= start) points.push(`<member><Timestamp>${new Date(at).toISOString()}</Timestamp><Minimum>${free.toExponential()}</Minimum><Unit>Bytes</Unit></member>`);
        }
        points.reverse(); // CloudWatch promises no order
        return `<GetMetricStatisticsResponse><GetMetricStatisticsResult><Datapoints>${points.join('')}</Datapoints><Label>FreeStorageSpace</Label></GetMetricStatisticsResult></GetMetricStatisticsResponse>`;
}

const server = http.createServer((request, answer) => {
        let body = '';
        request.on('data', chunk => { body += chunk; });
        request.on('end', () => {
                const who = signed(request, body);
                let status = 200, text;
                if (!who) [status, text] = [403, error('SignatureDoesNotMatch', 'The request signature we calculated does not match')];
                else if (process.argv[2] === 'deny' && who.query.Action === 'GetMetricStatistics')
                        [status, text] = [403, error('AccessDenied', 'User is not authorized to perform: cloudwatch:GetMetricStatistics')];
                else if (who.service === 'rds' && who.query.Action === 'DescribeDBInstances') text = describe(who.query);
                else if (who.service === 'monitoring' && who.query.Action === 'GetMetricStatistics') text = statistics(who.query);
                else [status, text] = [400, error('InvalidAction', 'no such action')];
                console.log(`${request.method} ${who?.query.Action ?? '-'} ${status}`);
                answer.writeHead(status, { 'Content-Type': 'text/xml' });
                answer.end(text);
        });
});
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
