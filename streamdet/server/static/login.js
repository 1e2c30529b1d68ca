// Exchanges the token for a cookie that no script can read.
const wrong = document.getElementById("wrong");

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = document.getElementById("token").value;
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  }).catch(() => null);
  if (answer?.ok) location.replace("/");
  wrong.textContent = answer ? "This is not the token." : "The server does not answer.";
  wrong.hidden = Boolean(answer?.ok);
});
