#!/bin/bash
# An archive in a real S3 store: pages of a thousand objects, missing days, an archive that went stale, hostile keys, a wrong secret, no bucket;
# and, on a store that tells how a bucket is protected, one that is open, one that is closed, one that denies, one that mistakes the question.
# timeout: 60
. "$(dirname "$0")/lib.sh"
need jq node
need_npm s3rver

store=$(free_port) telling=$(free_port)
cat >"$WORK/store.js" <<'J'
const S3rver = require('s3rver');
new S3rver({port: Number(process.argv[2]), address: '127.0.0.1', silent: true, directory: process.argv[3],
        configureBuckets: [{name: 'kaireon-archive'}]}).run();
setTimeout(() => process.exit(0), 60000);
J
objects=$WORK/objects/kaireon-archive
put() { # put KEY BYTES DATE: as the store keeps it on disk
        mkdir -p "$objects/$(dirname "$1")"
        head -c "$2" /dev/zero >"$objects/$1._S3rver_object"
        touch -d "$3" "$objects/$1._S3rver_object"
}
# 42 days of 25 objects each: more than one page.  One day of those is missing.
for ago in $(seq 0 42); do
        [ "$ago" = 9 ] && continue
        day=$(date -u -d "$ago days ago" +%Y-%m-%d)
        mkdir -p "$objects/daily/$day"
        for i in $(seq 25); do echo "{}" >"$objects/daily/$day/$i.json._S3rver_object"; done
        touch -d "$day 00:10 UTC" "$objects/daily/$day/"*
done
missing=$(date -u -d "9 days ago" +%Y-%m-%d)
cp -a "$objects/daily" "$objects/whole"
mkdir -p "$objects/whole/$missing"
echo "{}" >"$objects/whole/$missing/1.json._S3rver_object"
for ago in 3 4 5; do put "stale/$(date -u -d "$ago days ago" +%Y%m%d).json.gz" 100 "$ago days ago"; done
put "dead letters+ü/$(date -u +%Y/%m/%d)/a b.json" 10 "1 hour ago"
# (Its continuation tokens want a cipher that OpenSSL 3 keeps in its legacy provider.)
start node --openssl-legacy-provider "$WORK/store.js" "$store" "$WORK/objects"
cat >"$WORK/telling.js" <<'J'
// A store that answers as Amazon's does, by the name of the bucket.  It checks signatures (version 4), which s3rver does not.
const http = require('http'), crypto = require('crypto');
const hash = (text) => crypto.createHash('sha256').update(text).digest('hex'), hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();
const strict = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());
function genuine(request, url) {
        const m = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^/]+)\/([^/]+)\/s3\/aws4_request, *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$/.exec(request.headers.authorization || '');
        if (!m || m[1] !== 'S3RVER') return false;
        const query = [...url.searchParams].map(([k, v]) => `${strict(k)}=${strict(v)}`).sort().join('&');
        const headers = m[4].split(';').map((name) => `${name}:${request.headers[name].trim()}\n`).join('');
        const canonical = ['GET', url.pathname, query, headers, m[4], request.headers['x-amz-content-sha256']].join('\n');
        const scope = `${m[2]}/${m[3]}/s3/aws4_request`, text = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, hash(canonical)].join('\n');
        const key = hmac(hmac(hmac(hmac('AWS4S3RVER', m[2]), m[3]), 's3'), 'aws4_request');
        return hmac(key, text).toString('hex') === m[5];
}
const xml = (root, body) => `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${body}</${root}>`;
const list = (key) => xml('ListBucketResult', `<Name>b</Name><EncodingType>url</EncodingType><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>${key}</Key>` +
        `<LastModified>${new Date(Date.now() - 3600e3).toISOString()}</LastModified><Size>42</Size></Contents>`);
const rule = (algorithm) => `<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>`;
const block = (on) => ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'].map((n) => `<${n}>${on}</${n}>`).join('');
const everybody = '<AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList>';
const answers = {
        closed: {encryption: ['ServerSideEncryptionConfiguration', rule('aws:kms')], publicAccessBlock: ['PublicAccessBlockConfiguration', block(true)],
                policyStatus: ['PolicyStatus', '<IsPublic>FALSE</IsPublic>'], acl: ['AccessControlPolicy', '<AccessControlList/>'],
                'object-lock': ['ObjectLockConfiguration', '<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>90</Days></DefaultRetention></Rule>'],
                versioning: ['VersioningConfiguration', '<Status>Enabled</Status>']},
        open: {encryption: 'ServerSideEncryptionConfigurationNotFoundError', publicAccessBlock: 'NoSuchPublicAccessBlockConfiguration',
                policyStatus: 'NoSuchBucketPolicy', acl: ['AccessControlPolicy', everybody], 'object-lock': 'ObjectLockConfigurationNotFoundError',
                versioning: ['VersioningConfiguration', '']},
        denying: {},
};
http.createServer((request, response) => {
        const url = new URL(request.url, 'http://x'), bucket = url.pathname.split('/')[1], question = [...url.searchParams.keys()][0];
        const say = (status, text) => { response.writeHead(status, {'content-type': 'application/xml'}); response.end(text); };
        if (request.method !== 'GET') return say(405, '');
        if (!genuine(request, url)) return say(403, xml('Error', '<Code>SignatureDoesNotMatch</Code><Message>check your key</Message>'));
        if (url.searchParams.has('list-type') || bucket === 'mistaken') return say(200, list('daily/%3Cscript%3E%7C%01+%C3%BC/' + new Date().toISOString().slice(0, 10)));
        const answer = answers[bucket] && answers[bucket][question];
        if (Array.isArray(answer)) return say(200, xml(...answer));
        say(answer ? 404 : 403, xml('Error', `<Code>${answer || 'AccessDenied'}</Code><Message>no</Message>`));
}).listen(Number(process.argv[2]), '127.0.0.1');
setTimeout(() => process.exit(0), 60000);
J
start node "$WORK/telling.js" "$telling"
wait_port "$store"
wait_port "$telling"

export KEY=S3RVER WRONG=a-wrong-secret-value
target() { # target NAME PORT BUCKET PREFIX [SECRET]
        echo "  - {name: $1, kind: s3, bucket: $3, prefix: \"$4\", endpoint: \"http://127.0.0.1:$2\", access_key_env: KEY, secret_key_env: ${5:-KEY}}"
}
{
        echo "version: 1"
        echo "store: sqlite:$WORK/rounds.db"
        echo "targets:"
        target daily "$store" kaireon-archive daily/
        target whole "$store" kaireon-archive whole/
        target stale "$store" kaireon-archive stale/
        target odd "$store" kaireon-archive "dead letters+ü/"
        target empty "$store" kaireon-archive nothing/
        target wrong "$telling" closed daily/ WRONG
        target signed "$telling" closed "dead letters+ü/~(a)*'!/"
        target nobucket "$store" kaireon-archives daily/
        for bucket in closed open denying mistaken; do target "$bucket" "$telling" "$bucket" ""; done
        echo "jobs:"
        echo "  nightly: {audits: [archive], report: {formats: [json, html], to: $WORK/reports}}"
} >"$WORK/rounds.yaml"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
has() { # has TARGET KIND TEST
        jq -e "[.findings[] | select(.target==\"$1\" and .resource.kind==\"$2\") | select($3)] | length == 1" "$json" >/dev/null ||
                { jq -c ".findings[] | select(.target==\"$1\") | [.resource.kind,.status,.reason,.observed,.message]" "$json"; return 1; }
}
check "an archive that is written passes" has daily "archive newest" '.status=="pass"'
check "every page is read" jq -e '[.inventory.archives[] | select(.target=="daily" and .objects==1050)] | length == 1' "$json"
check "the missing day is named" has daily "archive days" ".status==\"fail\" and (.observed|test(\"^1 of (28|29) days have no object .*$missing\"))"
check "an archive without a gap passes" has whole "archive days" '.status=="pass"'
check "what is usual for a day is told" has whole "archive size" '.status=="pass" and (.observed|test("a day has about 75 B"))'
check "one that went stale fails" has stale "archive newest" '.status=="fail" and (.observed|test("3 d"))'
check "a prefix of every kind of character is signed as S3 wants it" has signed "archive newest" '.status=="pass"'
check "and found as it was meant" has odd "archive newest" '.status=="pass" and (.observed|test("a b.json"))'
check "an archive with nothing in it fails" has empty "archive newest" '.status=="fail" and .observed=="no object at all"'
check "a store that does not tell is an error" has daily "bucket encryption" '.status=="error" and .reason=="unsupported"'
check "a wrong secret is denied" has wrong "" '.status=="error" and .reason=="denied" and (.message|test("SignatureDoesNotMatch"))'
check "a bucket that is not there is told" has nobucket "" '.status=="error" and (.message|test("NoSuchBucket"))'
check "the secret is nowhere" sh -c "! grep -rq 'a-wrong-secret-value' '$WORK/reports' '$WORK/out.txt' '$WORK/rounds.db'"

check "a closed bucket passes" has closed "bucket access" '.status=="pass"'
check "encrypted" has closed "bucket encryption" '.status=="pass" and .observed=="aws:kms"'
check "its object lock and versions are listed" \
        jq -e '[.inventory.archives[] | select(.target=="closed" and .object_lock=="GOVERNANCE, 90 days" and .versioning=="Enabled")] | length == 1' "$json"
check "a key that XML cannot hold is read" has closed "archive newest" '.status=="pass" and (.observed|test("<script>"))'
check "and breaks no report" sh -c "! grep -q '<script>|' '$WORK'/reports/nightly-*.html"
check "an open bucket fails by its ACL" has open "bucket access" '.status=="fail" and .observed=="public by its ACL" and (.remedy|test("put-public-access-block"))'
check "and is not encrypted" has open "bucket encryption" '.status=="fail"'
check "a bucket that denies names the right" has denying "bucket access" '.status=="error" and .reason=="denied" and (.remedy|test("s3:GetBucketPolicyStatus"))'
check "a store that answers another question is not believed" has mistaken "bucket encryption" '.status=="error" and .reason=="unsupported" and (.message|test("ListBucketResult"))'
"$ROUNDS" check -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
check "rounds check names the missing rights" grep -q 's3:GetEncryptionConfiguration' "$WORK/check.txt"
check "and what connects" grep -q '^daily (s3): bucket kaireon-archive' "$WORK/check.txt"
finish
