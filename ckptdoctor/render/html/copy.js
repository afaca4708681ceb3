document.querySelectorAll("pre").forEach(function (command) {
  var button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", function () {
    function said(word) {
      button.textContent = word;
      setTimeout(function () { button.textContent = "Copy"; }, 1500);
    }
    function marked() {
      getSelection().selectAllChildren(command);
      said(document.execCommand("copy") ? "Copied" : "Marked");
    }
    if (navigator.clipboard) {
      navigator.clipboard.writeText(command.textContent).then(function () {
        said("Copied");
      }, marked);
    } else { marked(); }
  });
  var around = document.createElement("div");
  around.className = "command";
  command.replaceWith(around);
  around.append(command, button);
});
