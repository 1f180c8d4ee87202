// Space paints anew, arrows move from picture to picture: only when no control has the focus.
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
  const focus = document.activeElement;
  const free = !focus || focus === document.body;
  const wall = [...document.querySelectorAll('.wall')].find((each) => each.offsetParent && (free || each.contains(focus)));
  if (!wall || (!free && !focus.closest('.thumbnail-item'))) return;
  if (event.key === ' ' && free) {
    const dice = [...document.querySelectorAll('#dice, #blend-dice, #have-children')].find((each) => each.offsetParent);
    if (dice) { event.preventDefault(); dice.click(); }
    return;
  }
  const pictures = [...wall.querySelectorAll('.thumbnail-item')];
  if (!pictures.length) return;
  const columns = pictures.filter((each) => each.offsetTop === pictures[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (!step) return;
  const here = pictures.findIndex((each) => each.classList.contains('selected'));
  const next = here < 0 ? 0 : here + step;
  if (next < 0 || next >= pictures.length) return;
  event.preventDefault();
  pictures[next].click();
  pictures[next].scrollIntoView({ block: 'nearest' });
  if (!free) pictures[next].focus();
});
