// Identity providers for tests: the real oidc-provider (real=PORT) when npm brought it, a provider of every bad kind whose tokens are signed with
// node's own crypto (odd=PORT; the client's id says what is wrong), and the two documents of a Keycloak API that matter (keycloak=PORT).
import http from 'node:http';
import crypto from 'node:crypto';
import { pathToFileURL } from 'node:url';

// Debian's own node is older than the real provider asks for: the rest goes on.
const missing = error => console.log(`real=0 ${error.message.split('\n')[0]}`);
const b64 = value => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const pair = { RS: crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }), ES256: crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
        ES384: crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }), ES512: crypto.generateKeyPairSync('ec', { namedCurve: 'P-521' }),
        EdDSA: crypto.generateKeyPairSync('ed25519') };
const stranger = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const keyOf = alg => pair[alg] ?? pair.RS;
const jwks = { keys: Object.entries(pair).map(([kid, k]) => ({ ...k.publicKey.export({ format: 'jwk' }), kid, use: 'sig' })) };

function sign(alg, text, key) {
        const hash = 'sha' + alg.slice(2);
        if (alg === 'EdDSA') return crypto.sign(null, Buffer.from(text), key);
        if (alg.startsWith('ES')) return crypto.sign(hash, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
        if (alg.startsWith('PS')) return crypto.sign(hash, Buffer.from(text), { key, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST });
        if (alg.startsWith('HS')) return crypto.createHmac(hash, 'shared').update(text).digest();
        return crypto.sign(hash, Buffer.from(text), key);
}

function token(client, issuer) {
        const alg = client.startsWith('alg-') ? client.slice(4) : client === 'none' ? 'none' : client === 'shared' ? 'HS256' : 'RS256';
        const now = Math.floor(Date.now() / 1000), life = client === 'long' ? 86400 : 600;
        const kid = alg in pair ? alg : 'RS';
        const header = { alg, typ: 'JWT', kid: client === 'nokey' ? 'unknown' : kid };
        const text = `${b64(header)}.${b64({ iss: client === 'wrongiss' ? 'https://other.example' : issuer, sub: client, iat: now, exp: now + life })}`;
        if (client === 'opaque') return { access_token: 'opaque-secret-token', expires_in: 7200 };
        const signature = alg === 'none' ? '' : sign(alg, text, client === 'forged' ? stranger.privateKey : keyOf(alg).privateKey);
        return { access_token: `${text}.${Buffer.from(signature).toString('base64url')}`, expires_in: life, token_type: 'Bearer' };
}

const odd = http.createServer((request, answer) => {
        const issuer = `http://127.0.0.1:${odd.address().port}`, json = (status, value) => { answer.writeHead(status, { 'Content-Type': 'application/json' }); answer.end(JSON.stringify(value)); };
        if (request.url === '/.well-known/openid-configuration')
                return json(200, { issuer, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, id_token_signing_alg_values_supported: ['RS256'] });
        if (request.url === '/proxied/.well-known/openid-configuration') return json(200, { issuer: 'http://internal:8080', token_endpoint: `${issuer}/token` });
        if (request.url === '/html/.well-known/openid-configuration') { answer.writeHead(200, { 'Content-Type': 'text/html' }); return answer.end('<html>login</html>'); }
        if (request.url === '/jwks') return json(200, jwks);
        let body = '';
        request.on('data', c => { body += c; });
        request.on('end', () => {
                const form = new URLSearchParams(body);
                if (form.get('client_secret') !== 'client secret&=') return json(401, { error: 'invalid_client', error_description: 'client authentication failed' });
                json(200, token(form.get('client_id'), issuer));
        });
});
odd.listen(0, '127.0.0.1', () => console.log(`odd=${odd.address().port}`));

const realms = {
        sound: { realm: 'sound', bruteForceProtected: true, failureFactor: 5, waitIncrementSeconds: 1800, maxFailureWaitSeconds: 1800, accessTokenLifespan: 300, revokeRefreshToken: true, refreshTokenMaxReuse: 0, smtpServer: { password: 'must-not-be-kept' } },
        loose: { realm: 'loose', bruteForceProtected: true, permanentLockout: true, failureFactor: 30, waitIncrementSeconds: 60, maxFailureWaitSeconds: 900, accessTokenLifespan: 3600, revokeRefreshToken: false, refreshTokenMaxReuse: 0 },
};
const clients = [{ clientId: 'mobile', enabled: true, secret: 'must-not-be-kept', attributes: { 'access.token.lifespan': '86400' } }, { clientId: 'web', attributes: {} }];
const keycloak = http.createServer((request, answer) => {
        const json = (status, value) => { answer.writeHead(status, { 'Content-Type': 'application/json' }); answer.end(JSON.stringify(value)); };
        console.log(`${request.method} ${request.url}`);
        if (request.method === 'POST' && request.url === '/realms/sound/protocol/openid-connect/token') return json(200, { access_token: 'admin-secret-token', expires_in: 60 });
        if (request.headers.authorization !== 'Bearer admin-secret-token') return json(401, { error: 'HTTP 401 Unauthorized' });
        const found = /^\/admin\/realms\/([^/?]+)(\/clients)?/.exec(request.url);
        if (!found || !realms[found[1]]) return json(found?.[1] === 'other' ? 403 : 404, { error: 'HTTP 403 Forbidden' });
        json(200, found[2] ? (found[1] === 'loose' ? clients : []) : realms[found[1]]);
});
keycloak.listen(0, '127.0.0.1', () => console.log(`keycloak=${keycloak.address().port}`));

try {
        const { default: Provider } = await import(pathToFileURL(`${process.env.NODE_PATH}/oidc-provider/lib/index.js`).href);
        const real = http.createServer();
        real.listen(0, '127.0.0.1', () => { try {
                const issuer = `http://127.0.0.1:${real.address().port}`;
                const lives = { short: 600, long: 86400 };
                const provider = new Provider(issuer, {
                        clients: Object.keys(lives).map(client_id => ({ client_id, client_secret: 'client secret&=', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], token_endpoint_auth_method: 'client_secret_post' })),
                        jwks: { keys: [{ ...pair.RS.privateKey.export({ format: 'jwk' }), kid: 'RS', use: 'sig', alg: 'RS256' }] },
                        ttl: { ClientCredentials: (ctx, token, client) => lives[client.clientId] },
                        features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false },
                                resourceIndicators: { enabled: true, getResourceServerInfo: (ctx, resource, client) => ({ scope: 'read', accessTokenFormat: 'jwt', accessTokenTTL: lives[client.clientId], jwt: { sign: { alg: 'RS256' } } }) } },
                });
                real.on('request', provider.callback());
                console.log(`real=${real.address().port}`);
        } catch (error) { missing(error); } });
} catch (error) {
        missing(error);
}
