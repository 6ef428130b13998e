// Search and filters of the tracker. Everything works without it, by the lists.
"use strict";
(function () {
  const root = document.body.dataset.root || "";
  const SHOWN = 300;

  function element(name, text, attributes) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    Object.entries(attributes || {}).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  }

  // As the server names files: see core.tracker.paths.slug.
  function slug(text) {
    return text.replace(/[^A-Za-z0-9._+~^-]/g, "-").replace(/^\.+/, "").slice(0, 150) || "-";
  }

  function link(folder, name) {
    return element("a", name, { href: root + folder + "/" + slug(name) + ".html" });
  }

  function className(text) {
    return text.toLowerCase().replace(/ /g, "-");
  }

  function table(caption, heads, rows) {
    const box = element("div", undefined, { class: "scroll", tabindex: "0", role: "region", "aria-label": caption });
    const made = element("table");
    made.append(element("caption", caption));
    const head = element("tr");
    heads.forEach((text) => head.append(element("th", text, { scope: "col" })));
    const thead = element("thead");
    thead.append(head);
    const body = element("tbody");
    rows.forEach((cells) => {
      const row = element("tr");
      cells.forEach((content, index) => {
        const cell = index ? element("td") : element("th", undefined, { scope: "row" });
        cell.append(...[].concat(content));
        row.append(cell);
      });
      body.append(row);
    });
    made.append(thead, body);
    box.append(made);
    return box;
  }

  function chip(band, score) {
    const made = element("span", band, { class: "chip " + band.toLowerCase() });
    if (score !== null) made.append(" ", element("b", score.toFixed(1)));
    return made;
  }

  function statuses(index, pairs) {
    const parts = [];
    pairs.forEach(([release, status]) => {
      const word = index.statuses[status];
      if (parts.length) parts.push(element("br"));
      parts.push(element("span", word, { class: "state " + className(word) }), " " + index.releases[release]);
    });
    return parts.length ? parts : [element("span", "not assessed", { class: "none" })];
  }

  function names(index, numbers) {
    const shown = numbers.slice(0, 4).map((n) => index.packages[n]).join(", ");
    return numbers.length > 4 ? shown + " and " + (numbers.length - 4) + " more" : shown;
  }

  function find(index, wanted) {
    const words = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
    const packages = index.packages.map((name) => name.toLowerCase());
    const matches = (text, numbers) => words.every(
      (word) => text.includes(word) || numbers.some((n) => packages[n].includes(word)));
    const cves = index.cves.filter(([id, band, , numbers, pairs]) =>
      (!wanted.severity || index.bands[band] === wanted.severity) &&
      ((!wanted.status && !wanted.release) || pairs.some(([release, status]) =>
        (!wanted.status || index.statuses[status] === wanted.status) &&
        (!wanted.release || index.releases[release] === wanted.release))) &&
      matches(id.toLowerCase(), numbers));
    // An advisory has no severity score and no status of its own: those filters are about CVEs.
    const advisories = !words.length || wanted.severity || wanted.status ? [] :
      index.advisories.filter(([id, title, release, numbers]) =>
        (!wanted.release || index.releases[release] === wanted.release) &&
        matches((id + " " + title).toLowerCase(), numbers));
    return { cves: cves, advisories: advisories };
  }

  function more(count) {
    return count > SHOWN ? " (the first " + SHOWN + " are shown)" : "";
  }

  function show(index, wanted, target, count) {
    const found = find(index, wanted);
    target.replaceChildren();
    count.textContent = found.cves.length + " CVEs" + more(found.cves.length) +
      (found.advisories.length ? ", " + found.advisories.length + " advisories" + more(found.advisories.length) : "");
    if (found.advisories.length) {
      target.append(table("Advisories", ["Advisory", "Title", "Release", "Packages"],
        found.advisories.slice(0, SHOWN).map(([id, title, release, numbers]) =>
          [link("els/releases", id), element("bdi", title), index.releases[release], names(index, numbers)])));
    }
    if (found.cves.length) {
      target.append(table("CVEs", ["CVE", "Severity", "Packages", "Status"],
        found.cves.slice(0, SHOWN).map(([id, band, score, numbers, pairs]) =>
          [link("els/cve", id), chip(index.bands[band], score), names(index, numbers), statuses(index, pairs)])));
    }
  }

  function search(form) {
    const target = document.getElementById("results");
    const count = document.getElementById("count");
    const fields = ["q", "severity", "status", "release"];
    const asked = new URLSearchParams(location.search);
    fields.forEach((name) => { if (asked.has(name)) form.elements[name].value = asked.get(name); });
    const wanted = () => Object.fromEntries(fields.map((name) => [name, form.elements[name].value.trim()]));
    let index;
    const update = () => {
      if (!index) return;
      const values = wanted();
      const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();
      history.replaceState(null, "", query ? "?" + query : location.pathname);
      if (query) show(index, values, target, count);
      else { target.replaceChildren(); count.textContent = ""; }
    };
    count.textContent = "Loading the index.";
    fetch(form.dataset.index).then((answer) => {
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    }).then((document) => {
      index = document;
      count.textContent = "";
      form.dataset.ready = "yes";
      update();
    }).catch(() => { count.textContent = "The index could not be loaded. Reload the page, or browse by the lists above."; });
    let waiting;
    form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(update, 120); });
    form.addEventListener("submit", (event) => { event.preventDefault(); update(); });
  }

  function quick(shown) {
    const rows = Array.from(shown.tBodies[0].rows);
    if (rows.length < 15) return;
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const caption = shown.caption.textContent;
    const box = element("div", undefined, { class: "quick" });
    const id = "quick-" + document.querySelectorAll(".quick").length;
    const input = element("input", undefined, { id: id, type: "search", autocomplete: "off", spellcheck: "false" });
    const count = element("span", undefined, { class: "hidden", role: "status", "aria-live": "polite" });
    box.append(element("label", "Filter these rows", { for: id }), input, count);
    shown.closest(".scroll").before(box);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      rows.forEach((row, index) => {
        row.hidden = !words.every((word) => texts[index].includes(word));
        left += row.hidden ? 0 : 1;
      });
      count.textContent = left + " of " + rows.length + " rows: " + caption;
    });
  }

  const form = document.getElementById("search");
  if (form) search(form);
  document.querySelectorAll("table.filterable").forEach(quick);
})();
