// After the first visit the page needs no network: all its files are kept, and given from there.
// SHELL, what is kept and its version, stands above this line in the folder that is published.

self.addEventListener('install', (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(SHELL.version);
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
          .filter((name) => name.startsWith('artmodels-') && name !== SHELL.version)
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
      const kept = await (await caches.open(SHELL.version)).match(page ?? request, { ignoreSearch: true });
      return kept ?? fetch(request);
    })(),
  );
});
