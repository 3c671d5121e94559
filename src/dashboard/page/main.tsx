import { render } from 'preact'
import { App } from './app.tsx'
import { Store } from './store.ts'

const root = document.querySelector('#app')
if (root !== null) {
  root.replaceChildren()
  const store = new Store()
  render(<App store={store} />, root)
  store.start()
}
