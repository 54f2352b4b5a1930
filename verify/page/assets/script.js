"use strict";
(function () {
  var tip = document.getElementById("tip");
  var current = null;

  // Texts of marks move from <title>, which only a mouse can read, to an attribute.
  function text(mark) {
    var title = mark.querySelector("title");
    if (title) {
      mark.dataset.tip = title.textContent;
      title.remove();
    }
    return mark.dataset.tip || "";
  }

  function show(mark) {
    hide();
    current = mark;
    mark.classList.add("on");
    tip.textContent = text(mark);
    tip.hidden = false;
    place();
  }

  // place puts the tip above the mark, or below where there is no room.
  function place() {
    if (!current) return;
    var box = current.getBoundingClientRect(), own = tip.getBoundingClientRect();
    var x = box.left + box.width / 2 - own.width / 2;
    var y = box.top - own.height - 8;
    if (y < 4) y = box.bottom + 8;
    tip.style.left = Math.max(4, Math.min(x, innerWidth - own.width - 4)) + "px";
    tip.style.top = Math.max(4, y) + "px";
  }

  function hide() {
    if (current) current.classList.remove("on");
    current = null;
    tip.hidden = true;
  }

  function markAt(event) {
    return event.target.closest ? event.target.closest("svg.explore .mark") : null;
  }

  // Movement, not arrival: a page that scrolls under a resting pointer changes nothing.
  document.addEventListener("pointermove", function (e) {
    var mark = markAt(e);
    if (mark && mark !== current) show(mark);
    else if (!mark && e.pointerType === "mouse") hide();
  });
  document.addEventListener("click", function (e) {
    var mark = markAt(e);
    if (mark) show(mark);
    else hide();
  });
  addEventListener("scroll", place, { passive: true, capture: true });
  addEventListener("resize", place);

  // Arrow keys walk through a picture: a map by rows and columns, a plot along its marks.
  document.addEventListener("keydown", function (e) {
    if (e.key === "Escape") return hide();
    var picture = e.target.closest ? e.target.closest("svg.explore") : null;
    if (!picture) return;
    var columns = Number(picture.dataset.columns);
    var step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1], Home: [-1e9, 0], End: [1e9, 0] }[e.key];
    if (!step) return;
    e.preventDefault();
    var marks = Array.from(picture.querySelectorAll(".mark"));
    var at = marks.indexOf(current);
    var next = at < 0 ? marks[0] : columns > 1 ? neighbour(marks, current, step) : marks[Math.max(0, Math.min(marks.length - 1, at + step[0] + step[1]))];
    if (!next) return;
    show(next);
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });

  // The nearest mark in a direction, those in the same row or column first; for Home
  // and End the farthest of the row.
  function neighbour(marks, from, step) {
    var a = from.getBoundingClientRect(), best = from, least = Infinity;
    marks.forEach(function (m) {
      var b = m.getBoundingClientRect();
      var dx = b.left - a.left, dy = b.top - a.top;
      var along = step[0] ? dx * Math.sign(step[0]) : dy * Math.sign(step[1]);
      var across = Math.abs(step[0] ? dy : dx);
      var far = Math.abs(step[0]) > 1;
      if (along < 1 || far && across > 2) return;
      var cost = far ? -along : along + 8 * across;
      if (cost < least) { least = cost; best = m; }
    });
    return best;
  }

  document.addEventListener("focusout", hide);

  // Tables sort by a click on a head; a second click turns the order around.
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var body = table.tBodies[0];
    var rows = Array.from(body.rows);
    Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") !== "descending";
        Array.from(table.tHead.rows[0].cells).forEach(function (h) { h.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        var sorted = rows.slice().sort(function (p, q) { return compare(p.cells[column], q.cells[column]); });
        if (down) sorted.reverse();
        sorted.forEach(function (r) { body.appendChild(r); });
      });
    });
    var search = document.querySelector('[data-for="' + table.id + '"]');
    var failed = document.querySelector('[data-failed="' + table.id + '"]');
    var count = document.querySelector('[data-count="' + table.id + '"]');
    function filter() {
      var words = search.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
      rows.forEach(function (r) {
        var t = r.textContent.toLowerCase();
        var keep = (!failed.checked || r.classList.contains("bad")) && words.every(function (w) { return t.indexOf(w) >= 0; });
        r.hidden = !keep;
        if (keep) shown++;
      });
      count.textContent = words.length || failed.checked ? shown + " shown." : "";
    }
    search.addEventListener("input", filter);
    failed.addEventListener("change", filter);
  });

  function compare(a, b) {
    if (a.dataset.k !== undefined) return Number(a.dataset.k) - Number(b.dataset.k);
    return a.textContent < b.textContent ? -1 : a.textContent > b.textContent ? 1 : 0;
  }

  // A link to a bundle opens it; paper shows everything.
  function openTarget() {
    var target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
    }
  }
  addEventListener("hashchange", openTarget);
  openTarget();
  addEventListener("beforeprint", function () {
    document.querySelectorAll("details.bundle, details.rule").forEach(function (d) { d.open = true; });
  });
})();
