// What the page does by itself: the large view, the sheet of the picked picture on phones, and the keys.
(() => {
  const LARGE = '#wall, #say-wall, #blend-wall, #litter, #kept';  // walls whose pictures open large
  const WORDS = {
    en: {
      large: 'The picture, large', before: 'The one before', next: 'The next one', close: 'Close', coming: 'Painting …',
      copied: 'Copied', blocked: 'The browser does not let this page copy: the link is selected, press Ctrl+C',
      unkept: 'The browser does not let this page store anything: what you keep is gone when you leave',
      drop: 'Drop a file here, or choose one', choose: 'Choose a file',
      info: 'Done', warning: 'Please note', error: 'That did not work',
    },
    zh: {
      large: '大图', before: '上一幅', next: '下一幅', close: '关闭', coming: '正在作画……',
      copied: '已复制', blocked: '浏览器不允许本页复制：链接已选中，请按 Ctrl+C',
      unkept: '浏览器不允许本页保存任何内容：离开后收藏就会消失',
      drop: '把文件拖到这里，或点击选择', choose: '选择文件',
      info: '提示', warning: '请注意', error: '没有成功',
    },
  };
  const words = () => WORDS[document.documentElement.lang] || WORDS.en;
  // Gradio's own words on uploads and toasts are in the browser's language; page.css shows these, in the page's.
  const fingers = matchMedia('(pointer: coarse)').matches;
  const sayWords = () => {
    const said = { ...words(), drop: fingers ? words().choose : words().drop };
    for (const [name, text] of Object.entries(said)) document.documentElement.style.setProperty(`--${name}-words`, JSON.stringify(text));
  };
  new MutationObserver(sayWords).observe(document.documentElement, { attributeFilter: ['lang'] });
  sayWords();
  function language() {  // of an earlier visit, or the browser's
    let stored = null;
    try { stored = localStorage.getItem('artmodels-language'); } catch (error) { /* a frame without storage */ }
    return stored || (navigator.language || 'en').slice(0, 2);
  }
  document.documentElement.lang = language() === 'zh' ? 'zh' : 'en';
  const seen = (selector) => [...document.querySelectorAll(selector)].find((each) => each.offsetParent);
  const picturesOf = (wall) => [...wall.querySelectorAll('.thumbnail-item')];
  const captionOf = (item) => item.querySelector('.caption-label')?.innerText ?? '';

  let shown = null;  // the picture that is open large, as its place in a wall
  let watching = 0;
  const asked = (query) => /[?&](recipe|style|seed)=/.test(query);
  let following = asked(location.search);  // an address is being opened: the picture that comes is the one it names

  function view() {
    let large = document.getElementById('large');
    if (large) return large;
    large = document.createElement('div');
    large.id = 'large';
    large.hidden = true;
    large.setAttribute('role', 'dialog');
    large.innerHTML = '<button class="close">×</button><button class="before">‹</button>'
      + '<figure><img alt=""><figcaption></figcaption></figure><button class="next">›</button>';
    large.querySelector('.close').onclick = leave;
    large.querySelector('.before').onclick = () => step(-1);
    large.querySelector('.next').onclick = () => step(1);
    large.onclick = (event) => { if (event.target === large) leave(); };
    document.querySelector('.gradio-container .contain').append(large);
    return large;
  }

  // Until the panel has caught up with what was asked for, its buttons would act on what it showed before.
  let settling = 0;
  function settle(caughtUp) {
    const asked = Date.now(), refused = () => [...document.querySelectorAll('.toast-body:is(.error, .warning)')].pop();
    const before = refused();  // which may hang there still
    clearInterval(settling);
    document.body.classList.toggle('picking', !caughtUp());
    settling = setInterval(() => {
      if (!caughtUp() && (!refused() || refused() === before) && Date.now() - asked < 20000) return;
      clearInterval(settling);
      document.body.classList.remove('picking');
    }, 50);
  }

  function open(item) {
    const caption = captionOf(item), said = Boolean(item.closest('#say-wall'));
    const inPanel = () => {  // on the page Say a caption goes on after the picture's own: how well it fits the words
      const picked = document.querySelector('#picked img');
      return picked && (picked.alt === caption || (said && caption.startsWith(`${picked.alt} · `))) ? picked : null;
    };
    settle(inPanel);
    shown = item;
    show(item.querySelector('img').src, caption);
    clearInterval(watching);
    watching = setInterval(() => {  // the panel has it larger, once the server has enlarged it
      const image = view().querySelector('img'), better = inPanel();
      if (better && image.alt === caption && image.src !== better.src) image.src = better.src;
    }, 100);
  }

  function show(source, caption) {
    const large = view(), image = large.querySelector('img');
    large.classList.toggle('coming', !source);
    large.setAttribute('aria-label', words().large);
    for (const name of ['close', 'before', 'next']) large.querySelector('.' + name).setAttribute('aria-label', words()[name]);
    if (source) image.src = source;
    image.alt = caption;
    large.querySelector('figcaption').innerText = caption;
    for (const name of ['before', 'next']) large.querySelector('.' + name).hidden = !shown;
    large.hidden = false;
    document.body.classList.add('large-open');
    document.body.classList.remove('sheet-closed');
  }

  function close() {
    clearInterval(watching);
    view().hidden = true;
    document.body.classList.remove('large-open');
    if (shown?.isConnected) shown.focus({ preventScroll: true });
    shown = null;
  }

  function leave() {  // on a phone the sheet below goes with its picture
    close();
    document.body.classList.toggle('sheet-closed', innerWidth <= 900);
  }

  function step(by) {
    const wall = shown?.closest('.wall');
    const pictures = wall ? picturesOf(wall) : [];
    const next = pictures[pictures.indexOf(shown) + by];
    if (next) choose(next);
  }

  function choose(item) {
    item.click();
    item.scrollIntoView({ block: 'nearest' });
  }

  document.addEventListener('click', (event) => {
    const item = event.target.closest?.('.wall .thumbnail-item');
    if (item) {
      following = false;
      document.body.classList.remove('sheet-closed');
    }
    if (event.target.closest?.('#photo-styles .thumbnail-item')) {
      document.getElementById('photo-news').scrollIntoView({ block: innerWidth < 800 ? 'start' : 'nearest' });
    }
    const making = event.target.closest?.('#music-preview, #music-make, #dance-preview, #dance-make, #make-film')?.id;
    const filming = making === 'make-film' ? 'film' : making?.split('-')[0];
    if (filming) setTimeout(() => document.getElementById(`${filming}-news`).scrollIntoView({ block: 'center' }), 500);
    if (item?.closest(LARGE)) open(item);
    if (event.target.closest?.('#factor label:not(.selected)') && event.isTrusted) {
      const size = () => document.querySelector('#picked-caption p:last-of-type')?.innerText, before = size();
      settle(() => size() !== before);
    }
    if (event.target.closest?.('#keep') && !stores()) say(document.getElementById('actions'), words().unkept);
    if (event.target.closest?.('#sheet-close, #actions button:not(#keep)')) leave();  // an action shows on a page what it does
    if (event.target.closest?.('#tabs [role=tab]') && event.isTrusted) leave();
  });

  function stores() {
    try {
      localStorage.setItem('artmodels-try', '1');
      localStorage.removeItem('artmodels-try');
      return true;
    } catch (error) {  // in a frame of another site, where the visitor does not allow it
      return false;
    }
  }

  // A word below a row; with a link, marked, where the browser leaves the copying to the visitor.
  function say(row, text, link) {
    let told = row.nextElementSibling?.matches('.told') ? row.nextElementSibling : null;
    if (!told) {
      told = document.createElement('p');
      told.className = 'told';
      told.setAttribute('role', 'status');
      row.after(told);
    }
    told.innerText = text;
    told.scrollIntoView({ block: 'nearest' });
    clearTimeout(told.waiting);
    if (!link) { told.waiting = setTimeout(() => { told.innerText = ''; }, 4000); return; }
    const field = document.createElement('input');
    field.readOnly = true;
    field.value = link;
    field.setAttribute('aria-label', text);
    told.append(field);
    field.select();
    if (document.execCommand('copy')) say(row, words().copied);
  }

  // A link comes from the server as a query, and may be asked for before the page's address stands before it.
  const whole = (link) => (link?.startsWith('recipe=') ? location.origin + location.pathname + '?' + link : link);

  // What one tab stores, the others are told: each reads the browser's storage but once.
  const tabs = 'BroadcastChannel' in window ? new BroadcastChannel('artmodels') : null, news = {};
  if (tabs) {
    tabs.onmessage = ({ data }) => {
      Object.assign(news, data);
      document.getElementById('elsewhere')?.click();
    };
  }

  // The address follows the picture in the panel, and the panel follows the address.
  window.artmodels = {
    language,
    tellTabs(name, value) {
      tabs?.postMessage({ [name]: value });
    },
    toldByTabs(kept, styles, family) {
      const all = { kept, styles, family, ...news };
      for (const name in news) delete news[name];
      return [all.kept, all.styles, all.family];
    },
    async copy(query, field) {
      const link = whole(query);
      const row = document.getElementById(field).closest('.link-row');
      try {
        await navigator.clipboard.writeText(link);
        say(row, words().copied);
      } catch (error) {  // over plain http, or within a frame: there may be no clipboard, or no leave to use it
        say(row, words().blocked, link);
      }
    },
    share(link) {
      navigator.share?.({ title: document.title, url: whole(link) }).catch(() => {});
    },
    async sharePicture(path) {  // the picture itself, where the browser has something to send it with
      const answer = await fetch('gradio_api/file=' + encodeURI(path));
      if (!answer.ok) { this.share(location.href); return; }  // it is deleted after a while
      const file = new File([await answer.blob()], path.split('/').pop(), { type: 'image/png' });
      const what = navigator.canShare?.({ files: [file] }) ? { files: [file] } : { title: document.title, url: location.href };
      navigator.share?.(what).catch(() => {});
    },
    lookAt(selector, block = 'nearest') {  // smoothly, unless little motion is wanted
      const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
      document.querySelector(selector)?.scrollIntoView({ behavior, block });
    },
    toKept() {  // from a page that has no panel, by way of the first one
      const kept = document.getElementById('kept-title');
      if (!kept.offsetParent) document.querySelector('#tabs [role=tab]').click();
      leave();
      setTimeout(() => this.lookAt('#kept-title', 'start'), kept.offsetParent ? 0 : 300);
    },
    follow(link) {
      if (!link?.startsWith('recipe=')) return;
      if (!following) {
        if (location.search === '?' + link) return;
        history.pushState(null, '', '?' + link);
        document.body.classList.remove('sheet-closed');  // another picture is in it
        return;
      }
      following = false;
      const picked = document.querySelector('#picked img');
      if (picked && !/[?&]open=/.test(location.search)) { shown = null; show(picked.src, picked.alt); }
    },
  };
  window.addEventListener('popstate', () => {
    close();
    if (!asked(location.search)) return;
    following = true;
    document.getElementById('address')?.click();
  });
  // Whoever follows a link waits for its picture at its place, instead of before a wall of others.
  if (following && !/[?&]open=/.test(location.search)) {
    const wait = setInterval(() => {
      if (!document.querySelector('#wall')) return;  // the page itself is not there yet
      const waits = document.querySelector('#large.coming');
      if (!following || document.querySelector('.toast-body, #offer-bar p')) {  // it came, or something is said instead
        clearInterval(wait);
        if (waits) close();
      } else if (!waits) show('', words().coming);
      else if (waits.hidden) clearInterval(wait);  // the visitor has closed it
    }, 100);
  }

  window.addEventListener('load', () => {
    document.body.classList.toggle('can-share', Boolean(navigator.share));
    for (const button of document.querySelectorAll('button.out-of-sight')) {  // the page presses them, nobody else
      button.tabIndex = -1;
      button.setAttribute('aria-hidden', 'true');
    }
  });

  // The slider would take each turn of the wheel, and each finger, for itself: the page could not be scrolled over it.
  const past = (event) => {
    if (!event.target.closest?.('#photo-compared') || event.target.closest('[data-testid=slider]')) return;
    if (event.type === 'wheel' ? !event.ctrlKey : event.touches.length === 1) event.stopPropagation();
  };
  for (const kind of ['wheel', 'touchstart']) document.addEventListener(kind, past, { capture: true, passive: true });

  // Space paints anew, arrows move from picture to picture: when no control but a picture has the focus.
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
    if (event.key === 'Escape' && !view().hidden) { event.preventDefault(); close(); return; }
    const focus = document.activeElement;
    const inWall = focus?.closest?.('.wall .thumbnail-item, #large');
    if (focus && focus !== document.body && !inWall) return;
    if (event.key === ' ') {
      const dice = seen('#dice, #blend-dice, #have-children');
      if (dice && !focus?.closest?.('#large')) { event.preventDefault(); close(); dice.click(); }
      return;
    }
    const wall = shown?.closest('.wall') ?? focus?.closest?.('.wall') ?? seen('.wall');
    if (!wall) return;
    const pictures = picturesOf(wall);
    if (!pictures.length) return;
    const top = (each) => Math.round(each.getBoundingClientRect().top);
    const columns = pictures.filter((each) => top(each) === top(pictures[0])).length;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (!by) return;
    event.preventDefault();
    const here = pictures.indexOf(shown ?? wall.querySelector('.thumbnail-item.selected'));
    const next = here < 0 ? pictures[0] : pictures[here + by];
    if (!next) return;
    choose(next);
    if (!shown || inWall) next.focus({ preventScroll: true });
  });
})();
