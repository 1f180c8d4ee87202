// After the first visit the page needs no network: all its files are kept, and given from there.
// SHELL, what is kept and its version, stands above this line in the folder that is published.
// Other pages of the same host have caches of their own, which this one's worker leaves alone.

const OWN = `artmodels ${self.registration.scope} `,
  CACHE = OWN + SHELL.version;

self.addEventListener('install', (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      await Promise.all(
        SHELL.files.map((name) =>
          cache.add(new Request(new URL(name, self.registration.scope), { cache: 'no-cache' })),
        ),
      );
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      await Promise.all(
        names
          .filter((name) => name.startsWith(OWN) && name !== CACHE)
          .map((name) => caches.delete(name)),
      );
      await self.clients.claim();
    })(),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event,
    address = new URL(request.url);
  if (request.method !== 'GET' || !address.href.startsWith(self.registration.scope)) return;
  event.respondWith(
    (async () => {
      const page = request.mode === 'navigate' ? new URL('index.html', self.registration.scope) : null;
      const kept = await (await caches.open(CACHE)).match(page ?? request, { ignoreSearch: true });
      return kept ?? fetch(request);
    })(),
  );
});
