<?php

namespace App\Controllers;

/** Notes in SQLite, and what a visitor can do to a page. */
class Notes extends BaseController
{
    public function index()
    {
        return view('notes', ['notes' => db_connect()->table('notes')->orderBy('id')->get()->getResultArray()]);
    }

    public function write()
    {
        if (!$this->validate(['text' => 'required|max_length[100]'])) {
            return $this->response->setStatusCode(422)->setJSON($this->validator->getErrors());
        }
        db_connect()->table('notes')->insert(['text' => $this->request->getPost('text')]);
        return $this->response->redirect('/notes');
    }

    public function visits()
    {
        $session = session();
        $session->set('visits', (int) $session->get('visits') + 1);
        return 'visit ' . $session->get('visits');
    }

    public function greet()
    {
        $name = $this->request->getJSON()->name ?? $this->request->getPost('name');
        return $this->response->setJSON(['greeting' => "Hello $name", 'command line' => is_cli()]);
    }

    public function upload()
    {
        $file = $this->request->getFile('file');
        return $file->getClientName() . ': ' . strrev(file_get_contents($file->getTempName()));
    }

    public function fail()
    {
        throw new \RuntimeException('on purpose');
    }
}
