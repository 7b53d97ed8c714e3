<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/** Publishes the content of a JSON file, and looks every second whether it has changed. */
final class FeedCommand extends Command
{
    public function __construct(string $name, private readonly string $file)
    {
        parent::__construct($name);
        $this->setDescription("Publishes $file to all requests");
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $path = dirname(__DIR__) . "/data/$this->file";
        if (!function_exists('frankenphp_set_vars')) {
            $output->writeln("would publish $path");
            return Command::SUCCESS;
        }
        $output->writeln("follows $path");
        $handle = frankenphp_get_worker_handle();
        do {
            frankenphp_set_vars(json_decode(file_get_contents($path), true, flags: JSON_THROW_ON_ERROR));
            $readable = [$handle];
            $none = null;
        } while (stream_select($readable, $none, $none, 1) === 0);
        return Command::SUCCESS;
    }
}
